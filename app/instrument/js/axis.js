// @ts-check
// Where a step lies on a timeline: by step, by its logarithm, by accuracy or by loss.

export const AXES = { step: "step", log: "log step", accuracy: "ID accuracy", loss: "ID loss" };

// Where a step lies between 0 and 1, by any of the four axes. Accuracy and loss go up and down,
// a time axis must not: they are replaced by the best value so far, plus a sliver of time so
// that no two checkpoints coincide.
/** @import { Metrics } from "./payload.js" */

export class Axis {
  /**
   * @param {number[]} steps
   * @param {Metrics} metrics
   * @param {string} unit What the steps are, below the axis.
   */
  constructor(steps, metrics, unit = "step") {
    this.unit = unit;
    this.first = steps[0];
    this.last = Math.max(steps[steps.length - 1], metrics.step.at(-1) ?? 0, this.first + 1);
    this.knots = [...new Set([...steps, ...metrics.step])].sort((a, b) => a - b);
    const positive = this.knots.find((step) => step > 0) || 1;
    this.offset = Math.max(positive / 2, this.last / 2000);
    this.mode = "step";
    /** @type {Record<string, number[][] | null>} */
    this.progress = {
      accuracy: this.bestSoFar(metrics.step, metrics.accuracy.id_test, (v) => v),
      loss: this.bestSoFar(metrics.step, metrics.loss.id_test, (v) => -Math.log(Math.max(v, 1e-6))),
    };
  }

  /**
   * @param {number[]} steps
   * @param {(number | null)[] | undefined} values
   * @param {(value: number) => number} transform
   */
  bestSoFar(steps, values, transform) {
    if (!values) return null;
    let best = -Infinity;
    const points = [];
    values.forEach((value, i) => {
      if (value !== null) best = Math.max(best, transform(value));
      if (best > -Infinity) points.push([steps[i], best]);
    });
    if (points.length < 2 || points[points.length - 1][1] === points[0][1]) return null;
    return points;
  }

  /** @param {string} mode */
  available(mode) {
    return mode === "step" || mode === "log" || Boolean(this.progress[mode]);
  }

  /** @param {number} step */
  linear(step) {
    return (step - this.first) / (this.last - this.first);
  }

  // Where a step lies, from 0 to 1.
  /** @param {number} step */
  place(step) {
    if (this.mode === "log") {
      /** @param {number} s */
      const log = (s) => Math.log(s - this.first + this.offset);
      return (log(step) - log(this.first)) / (log(this.last) - log(this.first));
    }
    const points = this.progress[this.mode];
    if (this.mode === "step" || !points) return this.linear(step);
    return 0.9 * this.interpolate(points, step) + 0.1 * this.linear(step);
  }

  /**
   * @param {number[][]} points
   * @param {number} step
   */
  interpolate(points, step) {
    const low = points[0][1],
      span = points[points.length - 1][1] - low;
    if (step <= points[0][0]) return 0;
    let i = points.findIndex(([s]) => s >= step);
    if (i < 0) return 1;
    const [s0, v0] = points[i - 1],
      [s1, v1] = points[i];
    return (v0 + ((v1 - v0) * (step - s0)) / (s1 - s0) - low) / span;
  }

  ticks() {
    if (this.mode === "log") {
      const powers = [];
      for (let p = 10; p <= this.last; p *= 10) {
        if (p > this.first + this.offset) powers.push(p, 2 * p, 5 * p);
      }
      return [this.first, ...powers.filter((p) => p <= this.last)];
    }
    const rough = (this.last - this.first) / 6;
    const scale = 10 ** Math.floor(Math.log10(rough));
    const unit = [1, 2, 5, 10].map((m) => m * scale).find((m) => m >= rough) ?? 10 * scale;
    const ticks = [];
    for (let t = Math.ceil(this.first / unit) * unit; t <= this.last; t += unit) ticks.push(t);
    if (this.last - (ticks.at(-1) ?? this.first) > unit / 3) ticks.push(this.last);
    return ticks;
  }
}
