// The payload that Python sent, unpacked once.

import { Bits, Grid, Measure, SingleEffects } from "./packed.js";

export class RunData {
  constructor(raw) {
    Object.assign(this, raw);
    this.bySplit = {};
    for (const [name, packed] of Object.entries(raw.measures || {})) {
      const split = { nValid: packed.n_valid || [], examples: packed.examples || null };
      for (const kind of ["lens", "tracing", "moved", "bridge"]) {
        split[kind] = packed[kind] ? new Measure(packed[kind]) : null;
      }
      if (packed.flips) split.flips = new Bits(packed.flips);
      if (packed.drawn) split.drawn = new Bits(packed.drawn);
      if (packed.right) split.right = new Bits(packed.right);
      split.discovered = packed.discovered ? discoveredOf(packed.discovered) : null;
      this.bySplit[name] = split;
    }
  }

  accuracyAt(split, step) {
    const values = this.metrics.accuracy[split];
    if (!values) return null;
    let found = null;
    for (let i = 0; i < values.length && this.metrics.step[i] <= step; i++) {
      if (values[i] !== null) found = values[i];
    }
    return found;
  }

  bestBaseline(split) {
    const known = Object.entries((this.baselines || {})[split] || {});
    if (!known.length) return null;
    const [name, value] = known.reduce((a, b) => (b[1] > a[1] ? b : a));
    return { name, value };
  }

  splitLabel(name) {
    return this.vocabulary.splits[name] || name.replaceAll("_", " ");
  }
}

function discoveredOf(packed) {
  const measures = ["strength", "effect", "alone", "whole"].map((kind) => [
    kind,
    new Measure(packed[kind]),
  ]);
  return {
    ...Object.fromEntries(measures),
    step: packed.step,
    frequency: new Grid(packed.frequency),
    kept: new Bits(packed.kept),
    carries: new Bits(packed.carries),
    examples: packed.examples,
    singles: packed.singles ? new SingleEffects(packed.singles) : null,
  };
}
