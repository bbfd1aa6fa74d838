// @ts-check
// Arrays as Python packed them: thousandths, bits and bytes, each with a shape.

import { grouped, two } from "./numbers.js";

/** @import { Packed, PackedBytes, PackedMeasure, Singles } from "./payload.js" */

/**
 * Place of an index in a row-major array; of a shorter index, that of its first element. Along an
 * axis of size 1 every index is the same place.
 * @param {number[]} shape
 * @param {number[]} index
 */
function offsetOf(shape, index) {
  let offset = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis];
    offset = offset * size + (size === 1 ? 0 : (index[axis] ?? 0));
  }
  return offset;
}

// An array of thousandths with a shape; null where nothing was measured.
export class Grid {
  /** @param {Packed} packed */
  constructor({ shape, values }) {
    this.shape = shape;
    this.values = values;
  }

  /** @param {number[]} index */
  at(...index) {
    const value = this.values[offsetOf(this.shape, index)] ?? null;
    return value === null ? null : value / 1000;
  }
}

// A mean with its interval: Grids `value`, `low` and `high`; the last two may be missing.
export class Measure {
  /** @param {PackedMeasure} packed */
  constructor(packed) {
    this.value = new Grid(packed.value);
    this.low = packed.low ? new Grid(packed.low) : null;
    this.high = packed.high ? new Grid(packed.high) : null;
    this.n = packed.n ? new Grid(packed.n) : null;
    this.shape = this.value.shape;
  }

  /** @param {number[]} index */
  at(...index) {
    return this.value.at(...index);
  }

  /** @param {number[]} index */
  interval(...index) {
    if (!this.low || !this.high) return null;
    const low = this.low.at(...index),
      high = this.high.at(...index);
    return low === null || high === null ? null : [low, high];
  }

  /** @param {number[]} index */
  inWords(...index) {
    const value = this.at(...index);
    if (value === null) return "not measured";
    const interval = this.interval(...index);
    const n = this.n?.at(...index) ?? null;
    const parts = [
      interval ? `95% interval ${two(interval[0])} to ${two(interval[1])}` : "",
      n === null ? "" : `n = ${grouped(Math.round(n))}`,
    ].filter(Boolean);
    return two(value) + (parts.length ? ` (${parts.join(", ")})` : "");
  }
}

// Yes or no at every place of a shape, e.g. (step, layer, position, example).
export class Bits {
  /** @param {PackedBytes} packed */
  constructor(packed) {
    this.shape = packed.shape;
    this.bytes = bytesOf(packed);
    /** @type {Uint32Array | null} */
    this.examples = null; // those on the last axis; null: all
  }

  // The same bits of some of the examples.
  /** @param {Uint32Array} examples */
  only(examples) {
    return Object.assign(Object.create(Bits.prototype), this, { examples });
  }

  /** @param {number[]} index */
  at(...index) {
    const last = index.length - 1;
    if (this.examples) index[last] = this.examples[index[last]];
    const bit = offsetOf(this.shape, index);
    return (this.bytes[bit >> 3] >> (7 - (bit & 7))) & 1;
  }
}

/** @typedef {"most" | "least"} End */

// Effects on the questions at either end, of every pair of edge and token that a circuit keeps.
export class SingleEffects {
  /** @param {Singles} packed */
  constructor({ edge, token, n, largest, most, least }) {
    this.edge = edge;
    this.token = token;
    this.n = n;
    this.largest = new Grid(largest);
    this.ends = { most: endOf(most), least: endOf(least) };
  }

  /**
   * The pairs of an edge.
   * @param {number} index
   * @param {number} edge
   */
  of(index, edge) {
    const pairs = this.edge[index].map((e, pair) => ({ e, pair, token: this.token[index][pair] }));
    return pairs.filter(({ e }) => e === edge);
  }

  /**
   * The questions with the most or the least effect, in nats, the outermost first.
   * @param {number} index
   * @param {number} pair
   * @param {End} end
   */
  at(index, pair, end) {
    const { listed, question, code } = this.ends[end],
      n = this.n[index][pair];
    const many = Math.min(listed, end === "most" ? Math.ceil(n / 2) : Math.floor(n / 2));
    const first = (index * this.edge[0].length + pair) * listed,
      largest = this.largest.at(index, pair) ?? 0;
    return Array.from({ length: many }, (_, rank) => ({
      i: question[first + rank],
      effect: (code[first + rank] / 127) * largest,
    }));
  }
}

/** @param {Singles["most"]} packed */
function endOf({ question, code }) {
  return {
    listed: code.shape[2],
    question: new Uint16Array(bytesOf(question).buffer),
    code: new Int8Array(bytesOf(code).buffer),
  };
}

/** @param {{ base64: string }} packed */
function bytesOf({ base64 }) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}
