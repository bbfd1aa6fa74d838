// Arrays as Python packed them: thousandths, bits and bytes, each with a shape.

import { two } from "./numbers.js";

// An array of thousandths with a shape, as Python packed it; null where nothing was measured.
export class Grid {
  constructor(packed) {
    this.shape = packed.shape;
    this.values = packed.values;
    this.strides = this.shape.map((_, axis) =>
      this.shape.slice(axis + 1).reduce((product, size) => product * size, 1),
    );
  }

  at(...index) {
    let offset = 0;
    for (let axis = 0; axis < index.length; axis++) offset += index[axis] * this.strides[axis];
    const value = this.values[offset];
    return value === null || value === undefined ? null : value / 1000;
  }
}

// A mean with its interval: {value, low, high} of Grids; low and high may be missing.
export class Measure {
  constructor(packed) {
    this.value = new Grid(packed.value);
    this.low = packed.low ? new Grid(packed.low) : null;
    this.high = packed.high ? new Grid(packed.high) : null;
    this.shape = this.value.shape;
  }

  at(...index) {
    return this.value.at(...index);
  }

  interval(...index) {
    if (!this.low) return null;
    const low = this.low.at(...index),
      high = this.high.at(...index);
    return low === null || high === null ? null : [low, high];
  }

  inWords(...index) {
    const value = this.at(...index);
    if (value === null) return "not measured";
    const interval = this.interval(...index);
    const range = interval ? ` (95% interval ${two(interval[0])} to ${two(interval[1])})` : "";
    return two(value) + range;
  }
}

// Yes or no at every place of a shape, e.g. (step, layer, position, example).
export class Bits {
  constructor({ shape, base64 }) {
    this.shape = shape;
    this.bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  }

  at(...index) {
    const bit = index.reduce((offset, i, axis) => offset * this.shape[axis] + i, 0);
    return (this.bytes[bit >> 3] >> (7 - (bit & 7))) & 1;
  }
}

// Effects on the questions at either end, of every pair of edge and token that a circuit keeps.
export class SingleEffects {
  constructor({ edge, token, n, largest, most, least }) {
    Object.assign(this, { edge, token, n, largest: new Grid(largest) });
    this.ends = { most, least };
    for (const [end, { question, code }] of Object.entries(this.ends)) {
      this.ends[end] = {
        listed: code.shape[2],
        question: new Uint16Array(bytesOf(question).buffer),
        code: new Int8Array(bytesOf(code).buffer),
      };
    }
  }

  // The pairs of an edge, [{pair, token}].
  of(index, edge) {
    return this.edge[index]
      .map((e, pair) => ({ e, pair, token: this.token[index][pair] }))
      .filter(({ e }) => e === edge);
  }

  // The questions with the "most" or the "least" effect, [{i, effect}] in nats, the outermost first.
  at(index, pair, end) {
    const { listed, question, code } = this.ends[end],
      n = this.n[index][pair];
    const many = Math.min(listed, end === "most" ? Math.ceil(n / 2) : Math.floor(n / 2));
    const first = (index * this.edge[0].length + pair) * listed,
      largest = this.largest.at(index, pair);
    return Array.from({ length: many }, (_, rank) => ({
      i: question[first + rank],
      effect: (code[first + rank] / 127) * largest,
    }));
  }
}

function bytesOf({ base64 }) {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}
