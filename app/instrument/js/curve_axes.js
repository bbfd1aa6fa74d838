// @ts-check
// The axis of values of a panel of curves: grid lines, their numbers, and what they count.

import { inUnit } from "./curve_words.js";
import { svg } from "./elements.js";
import { valueTicks } from "./layout.js";

/** @import { Palette } from "./colours.js" */
/** @import { Series } from "./formation_series.js" */

/**
 * @param {Element} canvas
 * @param {Palette} palette
 * @param {{ left: number, right: number, top: number, bottom: number, y: (value: number) => number,
 *   ends: number[], scale: string, unit: string, series: Series[] }} axis
 */
export function valueAxis(canvas, palette, axis) {
  const { left, right, top, bottom, y, ends, scale, unit, series } = axis;
  const named = { x: left - 4, "text-anchor": "end", class: "tick", fill: palette.grey(0.7) };
  for (const tick of valueTicks(scale, ends[0], ends[1])) {
    const at = y(tick);
    svg("line", { x1: left, x2: right, y1: at, y2: at, stroke: palette.grey(0.12) }, canvas);
    const text = scale === "log" ? String(Number(tick.toPrecision(2))) : inUnit(tick, unit);
    svg("text", { ...named, y: at + 3.5, text }, canvas);
  }
  if (!series.length) {
    const middle = { x: (left + right) / 2, y: (top + bottom) / 2, "text-anchor": "middle" };
    const said = { class: "strong", fill: palette.grey(0.9), text: "not measured" };
    svg("text", { ...middle, ...said }, canvas);
  }
  // losses begin high: the corner below their beginning is free
  const at = scale === "log" ? bottom - 5 : top + 9;
  const place = { x: left + 4, y: at, class: "tick axis-title" };
  svg("text", { ...place, fill: palette.grey(0.6), text: axisName(scale, unit, series) }, canvas);
}

/**
 * @param {string} scale
 * @param {string} unit
 * @param {{ unit?: string }[]} series
 */
export function axisName(scale, unit, series) {
  if (scale === "log") return "nats";
  if (unit !== "MRR") return "share";
  return series.some((s) => s.unit && s.unit !== "MRR") ? "share or MRR" : "MRR";
}
