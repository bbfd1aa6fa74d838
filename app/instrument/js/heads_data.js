// @ts-check
// Scores of heads: which number stands in a cell, of one split or as the difference of two.

import { grouped, two } from "./numbers.js";
import { Measure } from "./packed.js";

/** @import { Heads, HeadScore, NamedPosition, PackedMeasure } from "./payload.js" */

/** @typedef {{ head: number[], pair: number[], score: string, against: string }} Looked */
/** @typedef {{ pattern: Measure | null, scores: Record<string, Measure> }} OfSplit */
/** @typedef {{ value: number, half: number | null, n: number | null }} Found */

export class HeadData {
  /**
   * @param {Heads} sent
   * @param {NamedPosition[]} positions
   * @param {Looked | null} looked What the address says.
   */
  constructor(sent, positions, looked) {
    this.sent = sent;
    this.positions = positions;
    /** @type {Record<string, OfSplit>} */
    this.splits = Object.fromEntries(
      Object.entries(sent.splits).map(([name, { pattern, scores }]) => [
        name,
        { pattern: pattern ? new Measure(pattern) : null, scores: measures(scores) },
      ]),
    );
    const begin = { head: sent.head, pair: sent.pair, score: "attention", against: "" };
    /** @type {Looked} */
    this.looked = { ...begin, ...looked };
  }

  /** @type {HeadScore} */
  get score() {
    return this.sent.scores.find(({ name }) => name === this.looked.score) ?? this.sent.scores[0];
  }

  /** @param {number} p */
  positionName(p) {
    return this.positions[p].label;
  }

  /**
   * Attention of a head between two positions.
   * @param {string} split
   * @param {number} index
   * @param {number[]} at Layer, head, query and key.
   */
  paid(split, index, at) {
    return this.compared(split, (of) => of?.pattern ?? null, [index, ...at]);
  }

  /**
   * The chosen score of a head.
   * @param {string} split
   * @param {number} index
   * @param {number} l
   * @param {number} h
   */
  scored(split, index, l, h) {
    const { score } = this,
      [q, k] = this.looked.pair;
    if (score.name === "attention") return this.paid(split, index, [l, h, q, k]);
    const at = score.place === "chosen" ? [index, l, h, q] : [index, l, h];
    return this.compared(split, (of) => of?.scores[score.name] ?? null, at);
  }

  /**
   * A mean, or the difference of two over different questions, whose errors are independent.
   * @param {string} split
   * @param {(of: OfSplit | undefined) => Measure | null} measure
   * @param {number[]} at
   * @returns {Found | null}
   */
  compared(split, measure, at) {
    const one = foundAt(measure(this.splits[split]), at);
    if (!this.against(split) || !one) return one;
    const other = foundAt(measure(this.splits[this.against(split)]), at);
    if (!other) return null;
    const known = one.half !== null && other.half !== null;
    const half = known ? Math.hypot(one.half ?? 0, other.half ?? 0) : null;
    return { value: one.value - other.value, half, n: null };
  }

  /** @param {string} split */
  against(split) {
    const { against } = this.looked;
    return against !== split && against in this.splits ? against : "";
  }

  /** Whether negative values are possible. */
  signed() {
    return this.score.name !== "attention" || this.looked.against !== "";
  }

  // What the score is, with the chosen positions.
  title() {
    const [q, k] = this.looked.pair,
      { score } = this;
    if (score.name === "attention") {
      return `Attention from ${this.positions[q].short} to ${this.positions[k].short}`;
    }
    const where = score.place === "chosen" ? ` at ${this.positions[q].short}` : "";
    return `${score.label.charAt(0).toUpperCase()}${score.label.slice(1)}${where}`;
  }

  /** @param {Found | null} found */
  inWords(found, unit = "") {
    if (!found) return "not measured";
    const { value, half, n } = found;
    const more = [
      half === null ? "" : `95% interval ${two(value - half)} to ${two(value + half)}`,
      n === null ? "" : `n = ${grouped(Math.round(n))}`,
    ].filter(Boolean);
    return two(value) + (unit ? ` ${unit}` : "") + (more.length ? ` (${more.join(", ")})` : "");
  }
}

/** @param {Record<string, PackedMeasure>} sent */
function measures(sent) {
  return Object.fromEntries(Object.entries(sent).map(([name, one]) => [name, new Measure(one)]));
}

/**
 * @param {Measure | null} measure
 * @param {number[]} at
 * @returns {Found | null}
 */
function foundAt(measure, at) {
  const value = measure?.at(...at) ?? null;
  if (!measure || value === null) return null;
  const ends = measure.interval(...at);
  const half = ends ? (ends[1] - ends[0]) / 2 : null;
  return { value, half, n: measure.n?.at(...at) ?? null };
}
