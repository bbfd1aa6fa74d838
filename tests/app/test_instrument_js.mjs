// The parts of the instrument that need no browser; pytest runs this file with Node.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Axis } from "../../app/instrument/js/axis.js";
import { axisName, freeCorner } from "../../app/instrument/js/curve_axes.js";
import { shareOrEnd } from "../../app/instrument/js/curve_words.js";
import { RunData, lastUpTo } from "../../app/instrument/js/dataset.js";
import { html, setAttributes } from "../../app/instrument/js/elements.js";
import { Examples, verdicts } from "../../app/instrument/js/examples.js";
import { samePage } from "../../app/instrument/js/history.js";
import * as layout from "../../app/instrument/js/layout.js";
import { landed } from "../../app/instrument/js/lab_drag.js";
import { unpack } from "../../app/instrument/js/main.js";
import { fit, namesOrSymbols } from "../../app/instrument/js/names.js";
import * as numbers from "../../app/instrument/js/numbers.js";
import { Bits, Grid, Measure, SingleEffects } from "../../app/instrument/js/packed.js";
import { lensInWords, questionInWords } from "../../app/instrument/js/question_words.js";
import { smoothed } from "../../app/instrument/js/smoothing.js";
import { tickNames } from "../../app/instrument/js/ticks.js";

const base64 = (bytes) => Buffer.from(bytes).toString("base64");
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

test("a grid reads thousandths at their place, and nothing where nothing was measured", () => {
  const grid = new Grid({ shape: [2, 3], values: [0, 1, 2, 1000, null, -5] });
  assert.equal(grid.at(0, 2), 0.002);
  assert.equal(grid.at(1, 0), 1);
  assert.equal(grid.at(1, 1), null);
  assert.equal(grid.at(1, 2), -0.005);
  assert.equal(grid.at(5, 0), null);
});

test("a measure without its interval says the number alone", () => {
  const packed = (value) => ({ shape: [1], values: [value] });
  const measure = new Measure({ value: packed(250), low: packed(200), high: packed(300) });
  assert.equal(measure.inWords(0), "0.25 (95% interval 0.20 to 0.30)");
  assert.equal(new Measure({ value: packed(250) }).inWords(0), "0.25");
  assert.equal(new Measure({ value: packed(null) }).inWords(0), "not measured");
});

test("bits are read row by row, the highest first", () => {
  const bits = new Bits({ shape: [2, 5], base64: base64([0b10000_010, 0b01_000000]) });
  const read = [0, 1].map((r) => [0, 1, 2, 3, 4].map((c) => bits.at(r, c)));
  assert.deepEqual(read, [
    [1, 0, 0, 0, 0],
    [0, 1, 0, 0, 1],
  ]);
});

test("the questions of an edge come with their effects in nats, the outermost first", () => {
  const singles = new SingleEffects({
    edge: [[7]],
    token: [[2]],
    n: [[3]],
    largest: { shape: [1, 1], values: [2540] },
    most: {
      question: { shape: [1, 1, 2], base64: base64([1, 1, 0, 0]) },
      code: { shape: [1, 1, 2], base64: base64([127, 50]) },
    },
    least: {
      question: { shape: [1, 1, 2], base64: base64([2, 0, 0, 0]) },
      code: { shape: [1, 1, 2], base64: base64([256 - 127, 50]) },
    },
  });
  assert.deepEqual(singles.of(0, 7), [{ e: 7, pair: 0, token: 2 }]);
  assert.deepEqual(singles.of(0, 8), []);
  assert.deepEqual(singles.at(0, 0, "most"), [
    { i: 257, effect: 2.54 },
    { i: 0, effect: 1 },
  ]);
  assert.deepEqual(singles.at(0, 0, "least"), [{ i: 2, effect: -2.54 }]);
});

test("the last known value up to a step stands for it", () => {
  assert.deepEqual(
    [-1, 0, 10, 15, 20, 99].map((step) => lastUpTo([0, 10, 20], [1, null, 3], step)),
    [null, 1, 1, 1, 3, 3],
  );
  assert.equal(runData().accuracyAt("id_test", 19), 0.1);
  assert.equal(runData().accuracyAt("ood_test", 19), null);
});

test("numbers are written as they are read", () => {
  assert.deepEqual([null, undefined, NaN, 0, 0.425].map(numbers.two), [
    "–",
    "–",
    "–",
    "0.00",
    "0.43",
  ]);
  assert.deepEqual([0.965, -0.0001].map(numbers.two), ["0.97", "0.00"]);
  assert.equal(numbers.percent(0.965), "97%"); // as in the other form
  assert.deepEqual([null, 0.004, 0.5, 1].map(numbers.percent), ["–", "0%", "50%", "100%"]);
  assert.deepEqual([0.42, -0.42, 1].map(numbers.short), [".42", "-0.42", "1.00"]);
  assert.deepEqual([0.04, -0.04, -1.26, 12.3].map(numbers.nats), ["0.0", "0.0", "−1.3", "12"]);
  assert.deepEqual([0.5, 0.00042, null].map(numbers.twoDigits), ["0.50", "4e-4", "–"]);
  assert.equal(numbers.grouped(1234567.4), "1,234,567");
});

test("the grid's first row is at the bottom, and one row or column divides by nothing", () => {
  const margin = { left: 10, right: 20, top: 30, bottom: 40 };
  const { x, y } = layout.gridPlaces({ width: 130, height: 170, columns: 3, rows: 2, margin });
  assert.deepEqual([0, 1, 2].map(x), [10, 60, 110]);
  assert.deepEqual([0, 1].map(y), [130, 30]);
  const one = layout.gridPlaces({ width: 130, height: 170, columns: 1, rows: 1, margin });
  assert.deepEqual([one.x(0), one.y(0)], [10, 130]);
});

test("the nearest place wins, the first of two that are as near", () => {
  assert.equal(layout.nearestIndex([0, 10, 20], 14), 1);
  assert.equal(layout.nearestIndex([0, 10, 20], 15), 1);
  assert.equal(layout.nearestIndex([0, 10, 20], 99), 2);
});

test("ticks that would overlap are left out", () => {
  assert.deepEqual(
    layout.spaced([0, 10, 46, 60, 92], 46).map(({ i }) => i),
    [0, 2, 4],
  );
});

test("values that are missing leave no point, and a zero does", () => {
  assert.deepEqual(layout.pointsOf([0, 1, 2], [0, null, 2.25]), ["0.0,0.0", "2.0,2.3"]);
});

test("only edges that pass by another component bow out", () => {
  assert.equal(layout.edgePath([0, 90], [0, 60], 1, 0), "M0,90C0,80 0,70 0,60");
  assert.equal(layout.edgePath([0, 90], [0, 60], 3, 0), "M0,90C71,80 71,70 0,60");
  assert.equal(layout.edgePath([0, 90], [0, 60], 24, 2, 50), "M0,90C50,80 50,70 0,60");
  assert.equal(layout.roomFor(300, { left: 50, right: 50 }, 8, 60), 520);
  assert.equal(layout.edgePath([0, 90], [30, 60], 3, 1), "M0,90C8,80 38,70 30,60");
});

test("a logarithmic axis has round ticks within its ends", () => {
  assert.deepEqual(layout.valueTicks("log", -1, 0.5), [0.1, 0.2, 0.5, 1, 2]);
  assert.deepEqual(layout.valueTicks("log", -1, 2), [0.1, 1, 10, 100]);
  assert.deepEqual(layout.valueTicks("log", 0, 2.2), [1, 3, 10, 30, 100]);
  assert.deepEqual(layout.valueTicks("log", -5.5, 1.1), [1e-4, 0.01, 1]);
  const written = (low, high) =>
    layout.valueTicks("log", Math.log10(low), Math.log10(high)).map((tick) => tick.toPrecision(2));
  assert.deepEqual(written(3.3, 4.2), ["3.5", "4.0"]); // between 2 and 5
  assert.deepEqual(written(0.09, 0.115), ["0.090", "0.10", "0.11"]);
  assert.deepEqual(layout.valueTicks("log", Infinity, -Infinity), []); // nothing was measured
});

test("a long unit before the first number leaves out the numbers that it covers", () => {
  const wide = (text) => 5 * text.length;
  const named = (unit) => tickNames([0, 20, 40, 60], [34, 84, 134, 184], unit, 50, wide);
  const texts = (unit) => named(unit).map(({ text }) => text);
  assert.deepEqual(texts("step"), ["step 0", "20", "40", "60"]);
  assert.deepEqual(texts("ID accuracy %"), ["ID accuracy % 0", "40", "60"]);
});

test("an axis never runs backwards, and is offered only where its curve has risen", () => {
  const steps = [0, 10, 20, 30];
  const rises = { step: steps, accuracy: { id_test: [0.2, 0.6, 0.4, 0.9] }, loss: {} };
  const axis = new Axis(steps, rises);
  for (const mode of ["step", "log", "accuracy"]) {
    axis.mode = mode;
    const places = steps.map((step) => axis.place(step));
    assert.ok(
      places.every((place, i) => i === 0 || place > places[i - 1]),
      mode,
    );
    assert.ok(places[0] === 0 && Math.abs(places[3] - 1) < 1e-12, mode);
  }
  assert.equal(axis.available("loss"), false);
  assert.equal(axis.ticks()[0], 0);
});

test("a name is shortened in its middle and keeps whole letters", () => {
  const width = (text) => [...text].length;
  assert.equal(fit("Lyon", 4, width), "Lyon");
  assert.equal(fit("University of California, Davis", 9, width), "Univ…avis");
  assert.equal(fit("e\u0301e\u0301e\u0301e\u0301", 5, width), "e\u0301…e\u0301");
});

test("a name that looks like markup stays text", () => {
  globalThis.document = {
    createElement: (tag) => ({
      tag,
      set: {},
      getAttribute() {
        return null;
      },
      setAttribute(k, v) {
        this.set[k] = v;
      },
    }),
  };
  const name = `<img src=x onerror="alert(1)">`;
  const element = html("span", { text: name, title: name });
  assert.deepEqual([element.textContent, element.set.title], [name, name]);
  assert.equal("innerHTML" in element, false);
  delete globalThis.document;
});

test("what an element says already is not set again", () => {
  const calls = [];
  const element = {
    textContent: "0.5",
    getAttribute: (name) => ({ r: "3", x: "1" })[name] ?? null,
    setAttribute: (name, value) => calls.push([name, value]),
    removeAttribute: (name) => calls.push([name, null]),
  };
  setAttributes(element, { r: 3, x: 2, y: 0, fill: null, text: "0.5" });
  assert.deepEqual(calls, [
    ["x", "2"],
    ["y", "0"],
    ["fill", null],
  ]);
});

test("columns are named in full or, where one name lacks room, all by symbols", () => {
  const names = ["subject", "relation 1"],
    width = (text) => text.length;
  assert.deepEqual(namesOrSymbols(names, ["h", "r1"], 10, width), names);
  assert.deepEqual(namesOrSymbols(names, ["h", "r1"], 9, width), ["h", "r1"]);
  assert.deepEqual(namesOrSymbols(names, undefined, 9, width), names);
});

test("a question's name that comes too late is not said to be readable", () => {
  const share = (shape, values) => ({ shape, values });
  const asked = {
    names: { 0: "Lyon", 2: "France" },
    answer: 2,
    top: { token: [[2]], share: share([1, 1], [750]) },
    watched: [{ token: 2, position: 1, what: "the bridge", where: "r1", rank: [[[4, 3], [4, 0]]] }],
  };
  const words = questionInWords(asked, 0, (l) => l < 1);
  assert.match(words, /can be read at r1 after the last block only, too late for the answer/);
});

test("a question says its answer, what can be read, and the names as they are", () => {
  const share = (shape, values) => ({ shape, values });
  const asked = {
    names: { 0: "Lyon", 1: "<b>country</b>", 2: "France" },
    columns: ["Lyon", "<b>country</b>"],
    answer: 2,
    top: { token: [[2]], share: share([1, 1], [750]) },
    lens: { token: [[[0, 2]]], share: share([1, 1, 2, 2], [900, 50, 600, 100]) },
    second: [[[1, 0]]],
    watched: [
      {
        ...{ token: 2, position: 1, what: "the bridge", where: "the relation" },
        rank: [[[4, 0], [4, 0]]],
      },
    ],
    curves: [],
  };
  assert.equal(
    questionInWords(asked, 0, () => true),
    "The model answers France (75%), which is right. " +
      "France, the bridge, can be read at the relation after 1 block.", // before: no look-up
  );
  assert.equal(
    lensInWords(asked, 0, 0, 1, true),
    "At “<b>country</b>” in the embedding: France 60%, " +
      "then Lyon 10%. France, the bridge, comes first here.",
  );
});

test("an example that was wrong before a swap is not counted as changed", () => {
  const bits = (shape, byte) => new Bits({ shape, base64: base64([byte]) });
  const split = {
    flips: bits([1, 1, 1, 4], 0b1101_0000),
    drawn: bits([1, 4], 0b1110_0000),
    right: bits([1, 4], 0b0111_0000),
    examples: ["a", "b", "c", "d"],
    tracing: { at: () => 0.5 },
  };
  const listed = verdicts(split, { kind: "state", l: 0, p: 0 }, 0);
  assert.deepEqual(
    listed.map(({ text, verdict }) => `${text} ${verdict}`),
    ["b changes", "c stays", "d no swap found", "a wrong anyway"],
  );
  assert.equal(verdicts(undefined, { kind: "state", l: 0, p: 0 }, 0), null);
});

test("questions of a slice are listed at a step at which none of them is right", () => {
  const bits = (shape, byte) => new Bits({ shape, base64: base64([byte]) }),
    at = { kind: "state", l: 0, p: 0 };
  const none = bits([1, 1, 1, 2], 0);
  const slice = { flips: none, drawn: none, right: none, examples: ["a", "b"] };
  const measured = (value) => ({ ...slice, tracing: { at: () => value } });
  const listed = verdicts(measured(null), at, 0, measured(0.5));
  assert.deepEqual(
    listed.map(({ text, verdict }) => `${text} ${verdict}`),
    ["a wrong anyway", "b wrong anyway"],
  );
  assert.equal(verdicts(measured(null), at, 0, measured(null)), null);
  const heading = (rows) => Examples.prototype.heading(at, rows);
  assert.equal(heading([]), "No measured question of this split is in the slice.");
});

test("a mount's header and payload are one line of JSON each", () => {
  const { header, body } = unpack(new TextEncoder().encode('{"id":"a"}\n{"name":"é\\n"}'));
  assert.deepEqual([header, body()], [{ id: "a" }, { name: "é\n" }]);
});

test("a swap that leaves the answer as it was is not said to turn it, and why one fails", () => {
  const grid = (...values) => ({ shape: [1, 2, 2], values });
  const share = { shape: [1, 1], values: [900] };
  const asked = (top, fact) => ({
    names: { 1: "A", 2: "X", 3: "B", 4: "r", 5: "Z" },
    answer: 1,
    top: { token: [[top]], share },
    watched: [],
    swap: { token: [[[1, 1], [1, 1]]], share: grid(1, 1, 1, 1), target: grid(1, 1, 1, 1) },
    donor: { what: "the bridge", value: 3, swapped: 2, begins: 2, needed: "B · r", fact },
  });
  const said = (...which) => questionInWords(asked(...which), 0, () => true);
  assert.match(said(2, [2]), /shows nothing here: the answer is X without a swap\.$/);
  assert.match(said(1, [5]), /the model does not know the fact this needs, B · r; it says Z/);
  assert.match(said(1, [2]), /into X, although the model knows B · r/);
});

test("another step of a page is no new entry of the history, another page is", () => {
  const here = "http://localhost:8501/lab?run=demo&step=100";
  assert.ok(samePage(here, "?run=demo&step=200"));
  assert.ok(samePage(here, "/lab?run=demo"));
  assert.ok(!samePage(here, "/question?run=demo"));
});

test("a run that has ended is told with its last accuracy, not with a dash", () => {
  const short = { name: "demo", steps: [0, 100, 6000, 8500], values: [0, 0.5, 0.978, null] };
  assert.equal(shareOrEnd(short, 100), "demo 50%");
  assert.equal(shareOrEnd(short, 8500), "demo ended at 6,000 with 98%");
  assert.equal(shareOrEnd({ name: "new", steps: [], values: [] }, 10), "new –");
});

test("an arrow key goes to the nearest part in its direction, and nowhere from the edge", () => {
  const cells = [0, 1, 2, 3, 4, 5].map((i) => [200 * (i % 3), 30 * Math.floor(i / 3)]);
  const next = (...direction) => layout.nextTowards(direction, cells[1], cells);
  assert.deepEqual([next(1, 0), next(-1, 0), next(0, 1), next(0, -1)], [2, 0, 4, -1]);
  assert.equal(layout.nextTowards([1, 0], [0, 0], [[0, 50]]), -1);
});

test("a state that is let go lands on its own place, on another one, or beside", () => {
  const place = (row, column) => {
    const [left, top] = [10 * column, 10 * row];
    return { row, column, left, top, right: left + 9, bottom: top + 9 };
  };
  const places = [place(0, 0), place(0, 1), place(1, 1)];
  const at = (...point) => landed(places, 1, 1, point);
  assert.deepEqual([at(15, 15), at(5, 5), at(40, 5)], ["own", "other", "beside"]);
});

test("a smoothed curve is the running mean, begins where the raw one does, and keeps gaps", () => {
  assert.deepEqual(smoothed([1, null, 0], 0.5), [1, null, 0.25 / 0.75]);
  assert.deepEqual(smoothed([0.2, 0.7], 0), [0.2, 0.7]);
  const flat = smoothed([0.3, 0.3, 0.3], 0.9).map((value) => Number(value.toFixed(9)));
  assert.deepEqual(flat, [0.3, 0.3, 0.3]);
});

test("an axis says what it counts, and a mean reciprocal rank is no share", () => {
  assert.equal(axisName("log", "share", []), "nats");
  assert.equal(axisName("share", "share", [{}]), "share");
  assert.equal(axisName("share", "MRR", [{ unit: "MRR" }]), "MRR");
  assert.equal(axisName("share", "MRR", [{ unit: "MRR" }, { unit: "share" }]), "share or MRR");
});

test("an axis is named in a corner that no line runs through", () => {
  const area = { left: 30, right: 230, top: 0, bottom: 100 };
  const corner = (...lines) => {
    const { x, y } = freeCorner(lines, area, [30, 10]);
    return [x < 100 ? "left" : "right", y < 50 ? "top" : "bottom"];
  };
  const late = [[30, 99], [200, 99], [230, 2]]; // prettier-ignore
  const early = [[30, 99], [33, 90], [40, 2], [230, 2]]; // prettier-ignore
  assert.deepEqual(corner(late), ["left", "top"]);
  assert.deepEqual(corner(early), ["right", "bottom"]);
  assert.deepEqual(corner(early, late), ["left", "top"]); // no corner is free
  assert.deepEqual(corner([[30, 5]]), ["left", "top"]); // a point left of the name
});

test("a cell is told with its n, also where n is the same at every step", () => {
  const one = { shape: [2, 1], values: [500, 250] };
  const n = { shape: [1, 1], values: [300000] };
  const measure = new Measure({ value: one, low: one, high: one, n });
  assert.equal(measure.inWords(1, 0), "0.25 (95% interval 0.25 to 0.25, n = 300)");
});
