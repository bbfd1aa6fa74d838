// @ts-check
// One series as a line with its band.

import { svg } from "./elements.js";
import { pointsOf } from "./layout.js";
import { smoothed } from "./smoothing.js";

/** @import { Series } from "./formation_series.js" */

/**
 * @param {Element} canvas
 * @param {Series} series
 * @param {string} colour
 * @param {number[]} xs Places of its steps.
 * @param {(value: number) => number} y
 */
export function drawSeries(canvas, series, colour, xs, y, smoothing = 0) {
  const { values, low, high, strong, dash, alone } = series;
  /** @param {(number | null)[]} some */
  const ys = (some) => some.map((value) => (value === null ? null : y(value)));
  if (low && high) {
    const known = values.map((value, i) => (value === null ? null : xs[i]));
    const up = pointsOf(known, ys(values.map((value, i) => high[i] ?? value)));
    const down = pointsOf(known, ys(values.map((value, i) => low[i] ?? value))).reverse();
    const points = [...up, ...down].join(" ");
    // of splits, only the band of the one that is looked at stands out
    const band = { points, fill: colour, class: strong === false ? "band faint" : "band" };
    svg("polygon", band, canvas);
  }
  const style = { "stroke-width": strong ? 2.6 : 1.8, "stroke-dasharray": dash || null };
  const points = pointsOf(xs, ys(smoothed(values, smoothing))).join(" ");
  const line = { points, fill: "none", stroke: colour, "stroke-linejoin": "round" };
  if (smoothing) {
    const raw = { ...line, points: pointsOf(xs, ys(values)).join(" "), class: "raw" };
    svg("polyline", { ...raw, "stroke-width": 1, opacity: 0.45 }, canvas);
  }
  svg("polyline", { ...line, ...style }, canvas);
  for (const one of alone ?? []) {
    const rest = { ...line, points: pointsOf(xs, ys(one)).join(" "), "stroke-width": 1 };
    svg("polyline", { ...rest, "stroke-dasharray": "1.5 3" }, canvas);
  }
}
