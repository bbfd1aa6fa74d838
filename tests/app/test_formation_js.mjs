// What the first page says and shows at first, without a browser; pytest runs this file with Node.

import assert from "node:assert/strict";
import { test } from "node:test";

import { stateInWords } from "../../app/instrument/js/circuit_words.js";
import { RunData } from "../../app/instrument/js/dataset.js";
import { shortcutLines, strongestState } from "../../app/instrument/js/formation_series.js";
import { Playhead } from "../../app/instrument/js/playhead.js";
import { formationInWords } from "../../app/instrument/js/words.js";

const METRICS = { step: [0, 10, 20], accuracy: { id_test: [0.1, null, 0.5] }, loss: {} };

function runData(more = {}) {
  return new RunData({
    steps: [0, 10, 20],
    metrics: METRICS,
    splits: [{ name: "id_test", label: "ID test", about: "" }],
    vocabulary: { splits: { id_test: "ID test" }, shortcuts: { h_r2: "(subject, relation 2)" } },
    baselines: { id_test: { h_r2: 0.25, majority: 0.001 } },
    phases: [],
    colours: {},
    measures: {},
    ...more,
  });
}

test("only the shortcuts that are right now and then are drawn", () => {
  const [line, ...rest] = shortcutLines(runData(), "id_test");
  assert.deepEqual([line.name, line.value, rest], ["shortcut (subject, relation 2) 25%", 0.25, []]);
});

test("without a lens the sentence on swaps begins as a sentence and names the bridge", () => {
  const named = (name) => ({ name, label: name, short: name });
  const packed = { shape: [3, 1, 2, 3], values: [...Array(12).fill(0), 0, 0, 0, 0, 800, 0] };
  const data = runData({
    positions: ["subject", "relation_1", "relation_2"].map(named),
    targets: [named("bridge")],
    layers: 2,
    measures: { id_test: { bridge: { value: packed } } },
  });
  const words = formationInWords(data, "id_test", 2, 20);
  assert.ok(
    words.endsWith(
      "The answer is computed from the bridge entity: swapping it after " +
        "1 block changes 80% of answers as it should.",
    ),
    words,
  );
});

test("a swap that changes half of the answers is said to explain them in part", () => {
  const named = (name) => ({ name, label: name, short: name });
  const packed = { shape: [1, 1, 2, 3], values: [0, 0, 0, 0, 520, 0] };
  const data = runData({
    positions: ["subject", "relation_1", "relation_2"].map(named),
    targets: [named("bridge")],
    layers: 2,
    measures: { id_test: { bridge: { value: packed } } },
  });
  const words = formationInWords(data, "id_test", 0, 20);
  assert.match(words, /Some answers are computed from the bridge entity: /);
  assert.match(words, /changes 52% of answers/);
});

// Two blocks: the bridge is .40 after the first, and 1.00 after the last, where nothing reads it.
function memorizer(after1, lens = [0, 20, 0, 0, after1, 30, 0, 1000, 100]) {
  const named = (name) => ({ name, label: name.replace("relation_1", "first relation") });
  return runData({
    positions: ["subject", "relation_1", "relation_2"].map(named),
    targets: [named("bridge")],
    layers: 3,
    usable: [
      [true, true, true],
      [true, true, true],
      [false, false, true],
    ],
    measures: { id_test: { lens: { value: { shape: [1, 1, 3, 3], values: lens } } } },
  });
}

test("a bridge that only the last state holds is not called readable", () => {
  const words = formationInWords(memorizer(400), "id_test", 0, 0);
  assert.match(words, /can hardly be read at the first relation in time/);
  assert.match(words, /\(MRR 0\.40 after 1 block; 1\.00 after the last, as in any model that/);
});

test("nothing is said of how well a bridge is read on a slice without questions", () => {
  const data = memorizer(0, Array(9).fill(null));
  assert.equal(formationInWords(data, "id_test", 0, 0).includes("MRR"), false);
});

test("a bridge that a later block can read is called readable there", () => {
  const words = formationInWords(memorizer(550), "id_test", 0, 0);
  assert.match(words, /can be read at the first relation after 1 block \(MRR 0\.55\)/);
});

test("of a slice without questions nothing is said of the bridge", () => {
  const data = memorizer(400);
  data.bySplit.id_test.lens.value.values.fill(null);
  assert.doesNotMatch(formationInWords(data, "id_test", 0, 0), /bridge|MRR/);
});

test("what is said of a slice rests on its own questions and says so", () => {
  const data = memorizer(550),
    { id_test: whole } = data.bySplit,
    values = [0.2, 0.9];
  data.bySplit = { id_test: { ...whole, sliced: { steps: [0, 20], values } } };
  const words = formationInWords(data, "id_test", 0, 10);
  assert.match(words, /^ID test: 10% are right\. On the slice 20% are right: the bridge/);
  assert.equal(data.shownAccuracyAt("id_test", 20), 0.9); // how wide the answer's edge is
  data.bySplit.id_test.sliced.values = [null, null]; // it has no questions
  assert.doesNotMatch(formationInWords(data, "id_test", 0, 10), /slice|bridge/);
});

test("a run whose training is unknown is not said to answer questions it is trained on", () => {
  const data = runData({ metrics: { step: [0], accuracy: { asked: [0.48] }, loss: {} } });
  assert.equal(formationInWords(data, "asked", 0, 0), "asked: 48% are right. ");
});

test("a state after the last block says that it cannot reach the answer", () => {
  const data = memorizer(400);
  const says = (l, p) => stateInWords(data, data.bySplit.id_test, l, p, 0);
  assert.match(says(2, 1), /cannot reach the answer: no block comes after it/);
  assert.doesNotMatch(says(1, 1), /cannot reach/);
  assert.doesNotMatch(says(2, 2), /cannot reach/);
  assert.match(says(1, 1), /the state of the shorter prompt that ends here/);
});

test("a comparison is first shown at the state on which its answers depend most", () => {
  const effects = [[1, 0.5, 0.6], [0.02, 0.51, 0.59], [0, 0.12, 0.59]]; // by layer, position
  const data = {
    bySplit: { id_test: { tracing: { at: (_, l, p) => effects[l][p] } } },
    steps: [0, 10],
    layers: 3,
    positions: ["attribute", "entity_1", "entity_2"].map((name) => ({ name })),
    bridgePlace: 0,
    canReach: () => true,
  };
  assert.deepEqual(strongestState(data, "id_test"), { kind: "state", l: 1, p: 1 });
});

test("no state after the last block is said to be where a swap works", () => {
  const success = [0, 0.02, 0.06]; // by layer: where the answer cannot look it is highest
  const data = {
    bySplit: { id_test: { bridge: { at: (_, __, l) => success[l] } } },
    steps: [0, 10],
    layers: 3,
    positions: ["subject", "relation_1", "relation_2"].map((name) => ({ name })),
    bridgePlace: 1,
    canReach: (l) => l < 2,
  };
  assert.deepEqual(strongestState(data, "id_test"), { kind: "state", l: 1, p: 1 });
});

test("a mark of the timeline leads to a checkpoint at which it has happened", () => {
  const playhead = new Playhead([0, 5400, 5700], 0, () => {});
  assert.equal(playhead.nearest(5500), 1); // where the model is not general yet
  assert.equal(playhead.since(5500), 2);
  assert.deepEqual([playhead.since(5400), playhead.since(9000)], [1, 2]);
});
