// @ts-check
// The measured questions of a split: which of them are in a slice, and what is drawn of those.

import { lossesOf, meansOf, thousandths, wilson } from "./means.js";
import { grouped } from "./numbers.js";
import { Measure } from "./packed.js";

/** @import { SplitData } from "./dataset.js" */
/** @import { Codes, Means, TermsOf } from "./means.js" */
/** @import * as Payload from "./payload.js" */
/** @import { Conditions } from "./slice_store.js" */

export class SplitQuestions {
  /**
   * @param {Payload.SplitQuestions} split
   * @param {Payload.QuestionValues} head
   * @param {ArrayBuffer} bytes
   */
  constructor(split, head, bytes) {
    const stored = (/** @type {Payload.Stored} */ one) => numbersOf(one, bytes);
    this.split = split;
    this.head = head;
    this.right = stored(split.right);
    this.shortcut = split.shortcut ? stored(split.shortcut) : null;
    /** @type {Record<string, { names: string[], codes: Codes }>} */
    this.named = {};
    for (const [name, { names, codes }] of Object.entries(split.named)) {
      this.named[name] = { names, codes: stored(codes) };
    }
    const terms = (/** @type {Payload.Terms | undefined} */ one) => one && termsOf(one, bytes);
    this.lens = terms(split.lens);
    this.tracing = terms(split.tracing);
    this.bridge = terms(split.bridge);
  }

  /**
   * Whether each question is in a slice, as analyses/slices/properties.py tells it.
   * @param {Conditions} conditions
   */
  inside({ shortcut, right, learned, ...named }) {
    const keep = new Uint8Array(this.split.n).fill(1);
    /** @param {(question: number) => boolean} holds */
    const only = (holds) => keep.forEach((kept, i) => (keep[i] = Number(kept && holds(i))));
    for (const [name, value] of Object.entries(named)) {
      const { names, codes } = this.named[name] ?? { names: [], codes: keep },
        code = names.indexOf(value);
      only((i) => codes[i] === code);
    }
    if (shortcut) only((i) => this.shortcut?.[i] === Number(shortcut === "yes"));
    if (right) {
      const [answer, step] = right.split("@"),
        first = this.stepAt(step) * this.split.n;
      only((i) => this.right[first + i] === Number(answer === "yes"));
    }
    if (learned) {
      const [low, high] = learned === "never" ? [-1, -1] : learned.split("-").map(Number);
      only((i) => within(this.split.learned[i], low, high));
    }
    return keep;
  }

  // Place of the measured step nearest to this one; of none, the last.
  /** @param {string | undefined} step */
  stepAt(step) {
    const { steps } = this.split.accuracy;
    if (step === undefined) return steps.length - 1;
    const away = steps.map((one) => Math.abs(one - Number(step)));
    return away.indexOf(Math.min(...away));
  }

  /**
   * @param {Conditions} conditions
   * @param {SplitData} whole
   * @returns {SplitData}
   */
  on(conditions, whole) {
    const inside = this.inside(conditions),
      of = (/** @type {TermsOf} */ { asked }) => placesIn(asked, inside);
    const { lens, tracing, bridge, head } = this,
      means = tracing && meansOf(tracing, of(tracing), head),
      examples = Uint32Array.from(tracing ? of(tracing) : []),
      asked = lens ? of(lens).length : 0;
    return {
      ...whole,
      lens: lens ? measureOf(meansOf(lens, of(lens), head), lens.shape) : null,
      added: null,
      bridge: bridge ? measureOf(meansOf(bridge, of(bridge), head), bridge.shape) : null,
      tracing: tracing && means ? measureOf(means, tracing.shape) : null,
      moved: tracing && means ? movedOf(means, tracing.shape) : null,
      examples: Array.from(examples, (i) => whole.examples?.[i] ?? ""),
      flips: whole.flips?.only(examples) ?? null,
      drawn: whole.drawn?.only(examples) ?? null,
      right: whole.right?.only(examples) ?? null,
      sliced: this.accuracy(inside),
      about: asked ? head.about.replace("{n}", grouped(asked)) : this.split.unasked,
    };
  }

  // The share of right answers over training, of the questions of which it is known.
  /** @param {Uint8Array} inside */
  accuracy(inside) {
    const { n, accuracy } = this.split,
      kept = placesIn(inside.keys(), inside).filter((i) => this.right[i] < 2);
    const hits = accuracy.steps.map((_, step) => {
      return kept.reduce((sum, i) => sum + this.right[step * n + i], 0);
    });
    const ends = hits.map((hit) => wilson(hit, kept.length, this.head.z));
    return {
      ...accuracy,
      n: kept.length,
      values: hits.map((hit) => (kept.length ? fiveDigits(hit / kept.length) : null)),
      low: ends.map(({ low }) => fiveDigits(low)),
      high: ends.map(({ high }) => fiveDigits(high)),
    };
  }
}

/**
 * @param {number | null} value
 * @param {number} low
 * @param {number} high
 */
function within(value, low, high) {
  return value !== null && low <= value && value <= high;
}

/**
 * Places at which the question that is asked there is inside.
 * @param {Iterable<number>} asked
 * @param {Uint8Array} inside
 */
function placesIn(asked, inside) {
  return [...asked].flatMap((question, place) => (inside[question] ? [place] : []));
}

/**
 * @param {Payload.Stored} stored
 * @param {ArrayBuffer} bytes
 * @returns {Codes}
 */
function numbersOf({ size, shape, first }, bytes) {
  const kind = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[size] ?? Uint8Array;
  return new kind(bytes, first, sizeOf(shape));
}

/**
 * @param {Payload.Terms} terms
 * @param {ArrayBuffer} bytes
 */
function termsOf({ table, codes, asked }, bytes) {
  const shape = codes.shape.slice(0, -1);
  return {
    table: Float64Array.from(table, (value) => value ?? NaN),
    codes: numbersOf(codes, bytes),
    asked: numbersOf(asked, bytes),
    shape,
    places: sizeOf(shape),
  };
}

/** @param {number[]} shape */
function sizeOf(shape) {
  return shape.reduce((a, b) => a * b, 1);
}

/**
 * @param {Means} means
 * @param {number[]} shape
 */
function measureOf({ mean, low, high, n }, shape) {
  const packed = (/** @type {Float64Array} */ v) => ({ shape, values: thousandths(v) });
  return new Measure({ value: packed(mean), low: packed(low), high: packed(high), n: packed(n) });
}

/**
 * @param {Means} tracing
 * @param {number[]} from
 */
function movedOf(tracing, from) {
  const { shape, value, low, high } = lossesOf(tracing, from);
  const packed = (/** @type {Float64Array} */ v) => ({ shape, values: thousandths(v) });
  return new Measure({ value: packed(value), low: packed(low), high: packed(high) });
}

/** @param {number} value As app/instrument/packing.py rounds curves. */
function fiveDigits(value) {
  return Number(value.toPrecision(5));
}
