// @ts-check
// The axis of values of a panel of curves: grid lines, their numbers, and what they count.

import { inUnit } from "./curve_words.js";
import { svg } from "./elements.js";
import { valueTicks } from "./layout.js";
import { widthOf } from "./names.js";

/** @import { Palette } from "./colours.js" */
/** @import { Reference, Series } from "./formation_series.js" */

/**
 * @param {Element} canvas
 * @param {Palette} palette
 * @param {{ left: number, right: number, top: number, bottom: number, x: (step: number) => number,
 *   y: (value: number) => number, ends: number[], scale: string, unit: string, series: Series[],
 *   references: Reference[] }} axis
 */
export function valueAxis(canvas, palette, axis) {
  const { left, right, top, bottom, x, y, ends, scale, unit, series, references } = axis;
  const named = { x: left - 4, "text-anchor": "end", class: "tick", fill: palette.grey(0.7) };
  for (const tick of valueTicks(scale, ends[0], ends[1])) {
    const at = y(tick);
    svg("line", { x1: left, x2: right, y1: at, y2: at, stroke: palette.grey(0.12) }, canvas);
    const text = scale === "log" ? written(tick) : inUnit(tick, unit);
    svg("text", { ...named, y: at + 3.5, text }, canvas);
  }
  if (!series.length) {
    const middle = { x: (left + right) / 2, y: (top + bottom) / 2, "text-anchor": "middle" };
    const said = { class: "strong", fill: palette.grey(0.9), text: "not measured" };
    svg("text", { ...middle, ...said }, canvas);
  }
  // losses begin high: the corner below their beginning is free
  const text = axisName(scale, unit, series),
    area = { left, right, top, bottom };
  const lines = series.map(({ steps, values }) =>
    steps.flatMap((step, i) => (values[i] === null ? [] : [[x(step), y(values[i] ?? 0)]])),
  );
  for (const { value } of references) lines.push([left, right].map((end) => [end, y(value)]));
  const place = freeCorner(lines, area, [widthOf(text, "10px"), 10], scale === "log");
  svg("text", { ...place, class: "tick axis-title", fill: palette.grey(0.6), text }, canvas);
}

// As the legend writes small numbers.
/** @param {number} tick */
function written(tick) {
  const round = Number(tick.toPrecision(2));
  return round < 0.001 ? round.toExponential() : String(round);
}

/**
 * Where the axis is named: the first place at an edge, corners before middles, that no line runs
 * through.
 * @param {number[][][]} lines Points of each, from left to right.
 * @param {{ left: number, right: number, top: number, bottom: number }} area
 * @param {number[]} size Of the name.
 * @param {boolean} [fromBelow] Whether the lower corners are tried first.
 */
export function freeCorner(lines, { left, right, top, bottom }, [wide, high], fromBelow = false) {
  const levels = [top + 9, bottom - 5],
    columns = [left + 4, right - wide - 8];
  if (fromBelow) levels.reverse();
  levels.push(top + 0.375 * (bottom - top) + 4); // between two grid lines
  const corners = levels.flatMap((y) => columns.map((x) => ({ x, y })));
  const isFree = (/** @type {{ x: number, y: number }} */ { x, y }) => {
    const box = { left: x - 1, right: x + wide + 1, top: y - high, bottom: y + 2 };
    return !lines.some((points) => runsThrough(points, box));
  };
  return corners.find(isFree) ?? corners[0];
}

/**
 * @param {number[][]} points From left to right.
 * @param {{ left: number, right: number, top: number, bottom: number }} box
 */
function runsThrough(points, box) {
  return points.some(([x1, y1], i) => {
    const [x2, y2] = points[i + 1] ?? [x1, y1];
    const from = Math.max(x1, box.left),
      to = Math.min(x2, box.right);
    if (from > to) return false;
    const slope = (y2 - y1) / (x2 - x1 || 1),
      ys = [from, to].map((x) => y1 + slope * (x - x1));
    return Math.max(...ys) >= box.top && Math.min(...ys) <= box.bottom;
  });
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
