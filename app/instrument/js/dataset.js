// @ts-check
// The payload that Python sent, unpacked once.

import { Bits, Grid, Measure, SingleEffects } from "./packed.js";

/** @import { DiscoveredMeasures, Payload, SplitMeasures } from "./payload.js" */
/** @import { QuestionValues } from "./question_values.js" */
/** @import { Conditions } from "./slice_store.js" */

export class RunData {
  /** @param {Payload} raw */
  constructor(raw) {
    this.steps = raw.steps;
    this.metrics = raw.metrics;
    this.splits = raw.splits;
    this.vocabulary = raw.vocabulary;
    this.baselines = raw.baselines;
    this.phases = raw.phases;
    this.checked = raw.checked ?? [];
    this.colours = raw.colours;
    this.unit = raw.unit ?? "step";
    this.positions = raw.positions ?? [];
    this.layers = raw.layers ?? 0;
    this.usable = raw.usable ?? [];
    this.targets = raw.targets ?? [];
    this.discovered = raw.discovered ?? null;
    this.question = raw.question ?? null;
    this.lab = raw.lab ?? null;
    this.compared = raw.compared ?? null;
    this.bench = raw.bench ?? null;
    this.heads = raw.heads ?? null;
    this.tour = raw.tour ?? null;
    /** @type {Record<string, SplitData>} */
    this.bySplit = {};
    for (const [name, packed] of Object.entries(raw.measures)) this.bySplit[name] = splitOf(packed);
    this.whole = this.bySplit;
  }

  /**
   * Go over to the questions of a slice, or to all; what is not sent of a slice is of all.
   * @param {Record<string, SplitMeasures>} measures Empty: all questions.
   */
  onSlice(measures) {
    this.bySplit = { ...this.whole };
    for (const [name, packed] of Object.entries(measures)) {
      if (!(name in this.whole)) continue;
      const { discovered, further } = this.whole[name];
      this.bySplit[name] = { ...splitOf(packed), discovered, further };
    }
  }

  /**
   * Go over to the questions that meet these conditions; without any, to all.
   * @param {QuestionValues} values
   * @param {Conditions} conditions
   */
  onQuestions(values, conditions) {
    const all = !Object.keys(conditions).length;
    this.bySplit = all ? this.whole : values.on(conditions, this.whole);
  }

  /**
   * The last accuracy measured up to a step.
   * @param {string} split
   * @param {number} step
   */
  accuracyAt(split, step) {
    return lastUpTo(this.metrics.step, this.metrics.accuracy[split] ?? [], step);
  }

  /**
   * What is right of the questions that are looked at: of the slice, where one is chosen.
   * @param {string} split
   * @param {number} step
   */
  shownAccuracyAt(split, step) {
    const sliced = this.bySplit[split]?.sliced;
    return sliced ? lastUpTo(sliced.steps, sliced.values, step) : this.accuracyAt(split, step);
  }

  // Where a first hop is complete: at the later of subject and relation 1, as the model reads them.
  get bridgePlace() {
    const names = this.positions.map(({ name }) => name);
    const known = names.length > 2 && names.includes("subject");
    return known ? Math.max(names.indexOf("subject"), names.indexOf("relation_1")) : 0;
  }

  /**
   * Whether the answer can depend on a state: not on those after the last block, except the last.
   * @param {number} l
   * @param {number} p
   */
  canReach(l, p) {
    return this.usable[l]?.[p] ?? true;
  }

  // The shortcut that is right most often on a split.
  /** @param {string} split */
  bestBaseline(split) {
    const known = Object.entries(this.baselines[split] || {});
    if (!known.length) return null;
    const [name, value] = known.reduce((a, b) => (b[1] > a[1] ? b : a));
    return { name, value };
  }

  /** @param {string} name */
  splitLabel(name) {
    return this.vocabulary.splits[name] || name.replaceAll("_", " ");
  }
}

/**
 * The last known value at or before a step; null before the first.
 * @param {number[]} steps Rising.
 * @param {(number | null)[]} values
 * @param {number} step
 */
export function lastUpTo(steps, values, step) {
  let found = null;
  for (let i = 0; i < values.length && steps[i] <= step; i++) found = values[i] ?? found;
  return found;
}

/** @typedef {ReturnType<typeof splitOf>} SplitData */

/** @param {SplitMeasures} packed */
function splitOf(packed) {
  const { lens, added, tracing, moved, bridge, flips, drawn, right, discovered } = packed;
  return {
    examples: packed.examples ?? null,
    lens: lens ? new Measure(lens) : null,
    added: added ? new Measure(added) : null,
    tracing: tracing ? new Measure(tracing) : null,
    moved: moved ? new Measure(moved) : null,
    bridge: bridge ? new Measure(bridge) : null,
    flips: flips ? new Bits(flips) : null,
    drawn: drawn ? new Bits(drawn) : null,
    right: right ? new Bits(right) : null,
    discovered: discovered ? discoveredOf(discovered) : null,
    further: packed.further ?? [],
    sliced: packed.sliced ?? null,
    about: packed.about ?? "",
  };
}

/** @typedef {ReturnType<typeof discoveredOf>} DiscoveredData */

/** @param {DiscoveredMeasures} packed */
function discoveredOf(packed) {
  return {
    step: packed.step,
    strength: new Measure(packed.strength),
    effect: new Measure(packed.effect),
    alone: new Measure(packed.alone),
    whole: new Measure(packed.whole),
    frequency: new Grid(packed.frequency),
    kept: new Bits(packed.kept),
    carries: new Bits(packed.carries),
    examples: packed.examples ?? [],
    singles: packed.singles ? new SingleEffects(packed.singles) : null,
  };
}
