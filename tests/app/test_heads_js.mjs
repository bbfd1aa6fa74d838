// Heads, slices and rows of panels, without a browser; pytest runs this file with Node.

import assert from "node:assert/strict";
import { test } from "node:test";

import { RunData } from "../../app/instrument/js/dataset.js";
import { HeadData } from "../../app/instrument/js/heads_data.js";
import { abreast, headsInARow } from "../../app/instrument/js/layout.js";

const packed = (...values) => ({ shape: [1, 1, 1, 1, 1], values });
const pattern = (value, low, high) => ({
  value: packed(value),
  low: packed(low),
  high: packed(high),
});
const HEADS = {
  layers: 1,
  heads: 1,
  scores: [{ name: "attention", label: "attention", unit: "", place: "chosen", end: 1 }],
  splits: {
    id_test: { pattern: pattern(600, 500, 700), scores: {} },
    ood_test: { pattern: pattern(200, 125, 275), scores: {} },
    asked: { scores: {} },
  },
  head: [0, 0],
  pair: [0, 0],
  about: "",
};

test("many heads of few layers take several lines, few of many layers one", () => {
  const room = { width: 300, height: 290, top: 14 };
  const { lines, across } = headsInARow({ ...room, heads: 12, layers: 2 });
  assert.deepEqual([lines, across], [2, 6]);
  assert.equal(headsInARow({ ...room, heads: 4, layers: 4 }).lines, 1);
});

test("a first hop whose relation is read before its subject is complete at the subject", () => {
  const run = { steps: [], metrics: { step: [] }, splits: [], vocabulary: {}, measures: {} };
  const at = (...names) => new RunData({ ...run, positions: names.map((name) => ({ name })) });
  assert.equal(at("relation_2", "relation_1", "subject", "answer").bridgePlace, 2);
  assert.equal(at("subject", "relation_1", "relation_2").bridgePlace, 1);
});

test("the_difference_of_two_splits_has_the_interval_of_independent_means", () => {
  const data = new HeadData(HEADS, [{ label: "h", short: "h", symbol: "h" }], null);
  assert.equal(data.inWords(data.scored("id_test", 0, 0, 0)), "0.60 (95% interval 0.50 to 0.70)");
  data.looked.against = "ood_test";
  const { value, half } = data.scored("id_test", 0, 0, 0);
  assert.ok(Math.abs(value - 0.4) < 1e-9 && Math.abs(half - 0.125) < 1e-9);
  assert.equal(data.scored("ood_test", 0, 0, 0).value, 0.2); // nothing minus itself
  assert.equal(data.scored("asked", 0, 0, 0), null);
});

test("a_slice_takes_the_place_of_all_questions_but_for_what_is_not_sent_of_it", () => {
  const measures = { id_test: { about: "all", further: [{ title: "x" }] } };
  const data = new RunData({ steps: [0], metrics: {}, splits: [], measures });
  data.onSlice({ id_test: { about: "some" }, unknown: {} });
  assert.equal(data.bySplit.id_test.about, "some");
  assert.equal(data.bySplit.id_test.further.length, 1);
  assert.deepEqual(Object.keys(data.bySplit), ["id_test"]);
  data.onSlice({});
  assert.equal(data.bySplit.id_test.about, "all");
});

test("panels_stand_abreast_in_as_few_rows_as_leave_each_its_least_width", () => {
  const room = { least: 260, gap: 10 };
  assert.equal(abreast(7, { width: 1240, ...room }), 4); // four and three
  assert.equal(abreast(7, { width: 858, ...room }), 3);
  assert.equal(abreast(5, { width: 1400, ...room }), 5);
  assert.equal(abreast(5, { width: 100, ...room }), 1);
});
