// The circuit that is worked with, without a browser; pytest runs this file with Node.

import assert from "node:assert/strict";
import { test } from "node:test";

import { benchLayout, benchPath } from "../../app/instrument/js/bench_layout.js";
import { linksOf, placesOf, standingHeads } from "../../app/instrument/js/bench_places.js";
import { BenchChoice, nothingFound, placeOnCurve } from "../../app/instrument/js/bench_state.js";
import { changeInWords, edgesInWords, keptInWords } from "../../app/instrument/js/bench_words.js";

const component = (name, row, position, head = null) => ({ name, row, position, head });
const edge = (id, source, target, share) => {
  return { id, name: `e${id}>x[b]`, source, target, share, low: null, high: null, frequency: null };
};
const BENCH = {
  rows: ["token", "attention 0", "MLP 0", "answer"],
  columns: ["a", "b"],
  components: [
    component("embed[a]", 0, 0),
    component("embed[b]", 0, 1),
    component("head.0.0[b]", 1, 1, 0),
    component("head.0.1[b]", 1, 1, 1),
    component("head.0.2[b]", 1, 1, 2),
    component("output", 3, 1),
  ],
  edges: [edge(0, 0, 2, 0.9), edge(1, 0, 3, 0.4), edge(2, 1, 4, 0.1), edge(5, 2, 5, -0.6)],
  ranked: [0, 5, 1, 2],
  found: [0, 5],
  candidates: 7,
  heads: true,
  n: 300,
};
const STATE = { size: null, toggled: [], notes: {}, groups: {} };
const edited = (more = {}) => {
  return { serial: 0, source: "s", base: "", kept: [0, 5], state: STATE, judged: null, ...more };
};
const choice = (more) => new BenchChoice(BENCH, edited(more));
const sorted = (ids) => [...ids].sort((a, b) => a - b);

test("only a circuit that was discovered without any edge is called so", () => {
  assert.equal(nothingFound(choice()), false);
  const none = choice({ kept: [] });
  assert.equal(nothingFound(none), true);
  assert.match(keptInWords(BENCH, none), /^no edge does more than its placebo/);
  none.strongest(0);
  assert.equal(nothingFound(none), false); // no edge is what was asked for
  assert.equal(keptInWords(BENCH, none), "0 of 7 edges");
});

test("an edge that is removed and put back leaves the circuit as it was", () => {
  const one = choice();
  one.keep([5], false);
  assert.deepEqual([sorted(one.kept()), one.state.toggled], [[0], [5]]);
  one.keep([5], true);
  assert.deepEqual([sorted(one.kept()), one.state.toggled, one.serial], [[0, 5], [], 2]);
});

test("the slider keeps the strongest edges, and clicks change those", () => {
  const one = choice();
  one.strongest(3);
  assert.deepEqual(sorted(one.kept()), [0, 1, 5]);
  one.keep([2, 0], true);
  assert.deepEqual(sorted(one.kept()), [0, 1, 2, 5]);
  one.again();
  assert.deepEqual(sorted(one.kept()), [0, 5]);
});

test("an answer to an earlier state does not undo a later click", () => {
  const one = choice();
  one.keep([5], false);
  one.adopt(edited());
  assert.deepEqual(sorted(one.kept()), [0]);
  assert.equal(one.answeredBy(edited()), false);
  one.adopt(edited({ source: "another circuit", kept: [1] }));
  assert.deepEqual(sorted(one.kept()), [1]);
});

test("a head is in one group, and an empty name takes it out", () => {
  const one = choice();
  one.group(["head.0.0[b]", "head.0.1[b]"], "movers");
  one.group(["head.0.1[b]"], " others ");
  assert.deepEqual(one.state.groups, { movers: ["head.0.0[b]"], others: ["head.0.1[b]"] });
  one.group(["head.0.0[b]", "head.0.1[b]"], "");
  assert.deepEqual(one.state.groups, {});
});

test("heads without an edge are folded, those of a group stand together", () => {
  const one = choice();
  const labels = () => placesOf(BENCH, one, standingHeads(BENCH, one)).map(({ label }) => label);
  assert.deepEqual(labels(), ["0.0", "a", "b", "2 heads", "answer"]);
  one.strongest(3);
  one.group(["head.0.0[b]", "head.0.1[b]"], "movers");
  assert.deepEqual(labels(), ["movers", "a", "b", "0.2", "answer"]);
  const links = linksOf(BENCH, placesOf(BENCH, one, standingHeads(BENCH, one)));
  assert.deepEqual(links[0].edges, [0, 1]); // both heads of the group read the same token
});

test("no places of 12 layers, 8 positions and 12 heads overlap, and arcs stay inside", () => {
  const places = [];
  for (let row = 0; row <= 25; row++) {
    for (let position = 0; position < 8; position++) {
      const many = row % 2 && row < 25 ? 12 : 1;
      for (let head = 0; head < many; head++) {
        places.push({ key: `${row},${position},${head}`, row, position, label: "", members: [] });
      }
    }
  }
  const room = { rows: 26, columns: 8, width: 700, height: 400, wide: () => 34 };
  const { boxes, width, height, right } = benchLayout(places, room);
  boxes.forEach((one, i) => {
    assert.ok(one.x - 17 >= 0 && one.x + 17 <= width && one.y - 10 >= 0 && one.y + 10 <= height);
    for (const other of boxes.slice(i + 1)) {
      assert.ok(Math.abs(one.x - other.x) >= 34 || Math.abs(one.y - other.y) >= 20);
    }
  });
  const last = places.findIndex(({ row, position }) => row === 25 && position === 7);
  const first = places.findIndex(({ row, position }) => row === 0 && position === 7);
  const d = benchPath(boxes[first], boxes[last], 25, right[7]);
  const [x1, , c1, , c2, , x2] = d.match(/[\d.]+/g).map(Number);
  for (let t = 0; t <= 1; t += 0.05) {
    const s = 1 - t;
    assert.ok(s ** 3 * x1 + 3 * s * s * t * c1 + 3 * s * t * t * c2 + t ** 3 * x2 < width);
  }
});

test("edges and changes are said in words", () => {
  const said = edgesInWords(BENCH, new Set([0]), [0]);
  assert.match(said, /^token at a → head 0\.0 at b: 0\.90 of a token's .*Click to remove\.$/);
  assert.match(edgesInWords(BENCH, new Set(), [0]), /Click to put back\.$/);
  assert.equal(changeInWords({ alone: [0.9] }, { alone: [0.65] }), "−25 points");
  assert.equal(changeInWords(null, { alone: [0.65] }), "");
  assert.equal(placeOnCurve([0, 1, 4, 9], 5), 2);
});
