// @ts-check
// The curves of the first page: accuracy and loss by split, a state or an edge over training.

import { componentEdgeName } from "./circuit_words.js";
import { percent } from "./numbers.js";
import { blocks } from "./words.js";

/** @import { RunData } from "./dataset.js" */
/** @import { Measure } from "./packed.js" */

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {string} colour
 * @property {number[]} steps
 * @property {(number | null)[]} values
 * @property {(number | null)[] | null} [low]
 * @property {(number | null)[] | null} [high]
 * @property {string | null} [dash]
 * @property {boolean} [strong]
 * @property {string} [unit] "MRR"; otherwise a share.
 * @property {number} [n] Questions behind each value.
 * @property {(number | null)[][]} [alone] Runs of a group that go on where another has ended.
 */
/** @typedef {{ value: number, colour: string, name: string, words: string, dots: boolean }}
 *   Reference */
/** @typedef {{ kind: string, l: number, p: number, edge?: number, token?: number }} Chosen */

/**
 * A curve for every split that can be chosen and was evaluated; accuracies with their intervals.
 * @param {RunData} data
 * @param {"accuracy" | "loss"} kind
 * @param {string} chosen
 * @returns {Series[]}
 */
export function splitSeries(data, kind, chosen) {
  const { metrics } = data,
    values = metrics[kind],
    banded = kind === "accuracy";
  return data.splits
    .filter(({ name }) => values[name])
    .map(({ name, label, dash }) => ({
      name: label,
      colour: name,
      dash,
      steps: metrics.step,
      values: values[name],
      low: banded ? metrics.low?.[name] : null,
      high: banded ? metrics.high?.[name] : null,
      n: metrics.n?.[name],
      strong: name === chosen,
    }));
}

/**
 * The two best shortcuts on a split, the better one first.
 * @param {RunData} data
 * @param {string} split
 * @returns {Reference[]}
 */
export function shortcutLines(data, split) {
  return Object.entries(data.baselines[split] ?? {})
    .filter(([, value]) => value >= 0.005)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 2)
    .map(([key, value], i) => {
      const name = data.vocabulary.shortcuts[key] || key,
        right = percent(value);
      const words = `An answerer that goes by ${name} is right for ${right} of these questions.`;
      return { value, colour: "baseline", name: `shortcut ${name} ${right}`, words, dots: i > 0 };
    });
}

/**
 * The state in which bridge swaps succeed most at the last step; of a comparison, which has no
 * bridge, the one before the last position on which the answer depends most.
 * @param {RunData} data
 * @param {string} split
 * @returns {Chosen}
 */
export function strongestState(data, split) {
  const { bridge, tracing } = data.bySplit[split] ?? {},
    last = data.steps.length - 1,
    places = bridge ? [data.bridgePlace] : data.positions.slice(0, -1).map((_, p) => p);
  let best = { kind: "state", l: Math.floor(data.layers / 2), p: data.bridgePlace },
    most = -1;
  for (const p of places) {
    for (let l = 1; l < data.layers; l++) {
      if (!data.canReach(l, p)) continue; // a swap there can only seem to do something
      const value = bridge ? bridge.at(last, 0, l, p) : tracing?.at(last, l, p);
      if (typeof value === "number" && value > most) {
        most = value;
        best = { kind: "state", l, p };
      }
    }
  }
  return best;
}

const MOST_READ = 2; // names of which a state's curves are drawn, the best readable ones

/**
 * What was measured of a state or an edge, over training.
 * @param {RunData} data
 * @param {string} splitName
 * @param {Chosen} chosen
 */
export function chosenSeries(data, splitName, { l, p, kind, edge }) {
  const split = data.bySplit[splitName];
  /** @type {Series[]} */
  const series = [];
  /**
   * @param {string} name
   * @param {string} colour
   * @param {Measure | null | undefined} measure
   * @param {number[]} at
   */
  const add = (name, colour, measure, ...at) => {
    if (measure) series.push(overTraining(name, colour, data.steps, measure, at));
  };
  if (kind === "found" && edge !== undefined && data.discovered) {
    add("share of a token's effect", "edge", split?.discovered?.strength, edge);
    const hint = componentEdgeName(data, data.discovered, edge);
    return { title: "Edge over training", hint, series, unit: "share" };
  }
  const position = data.positions[p].short;
  if (kind === "moved") {
    add("handed on", "edge", split?.moved, l, p);
    const title = `Edge from ${position}, block ${l + 1}`;
    return { title, hint: "over training", series, unit: "share" };
  }
  const layer = kind === "through" ? l + 1 : l;
  add("causal effect", "edge", split?.tracing, layer, p);
  add("bridge swap", "swap", split?.bridge, 0, layer, p);
  const { lens } = split ?? {};
  const read = data.targets.flatMap(({ short, name }, i) => {
    if (!lens) return [];
    const one = overTraining(`lens ${short}`, name, data.steps, lens, [i, layer, p]);
    const most = Math.max(...one.values.map((value) => value ?? 0));
    return most >= 0.1 ? [{ most, one: { ...one, unit: "MRR" } }] : [];
  });
  read.sort((a, b) => b.most - a.most);
  const lenses = read.slice(0, MOST_READ).map(({ one }) => one);
  for (const one of series) one.unit = "share";
  series.push(...lenses);
  const title = `At ${position}, ${blocks(layer)}`;
  return { title, hint: "", series, unit: lenses.length ? "MRR" : "share" };
}

/**
 * @param {string} name
 * @param {string} colour
 * @param {number[]} steps
 * @param {Measure} measure
 * @param {number[]} at
 * @returns {Series}
 */
function overTraining(name, colour, steps, { value, low, high }, at) {
  return {
    name,
    colour,
    steps,
    values: steps.map((_, i) => value.at(i, ...at)),
    low: low && steps.map((_, i) => low.at(i, ...at)),
    high: high && steps.map((_, i) => high.at(i, ...at)),
  };
}
