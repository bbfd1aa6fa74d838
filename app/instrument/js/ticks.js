// @ts-check
// Names of steps, rows and positions along the sides of a drawing.

import { svg } from "./elements.js";
import { spaced } from "./layout.js";
import { widthOf } from "./names.js";
import { grouped } from "./numbers.js";

const APART = 46; // pixels from one step to the next
const LEAST_GAP = 6; // and between their names

/** @import { Axis } from "./axis.js" */
/** @import { Palette } from "./colours.js" */

/**
 * Steps written below a panel, as many as there is room for; the first says what they are.
 * @param {Element} canvas
 * @param {Axis} axis
 * @param {Palette} palette
 * @param {(step: number) => number} x
 * @param {number} y
 * @param {number} edge Left of here a number begins at its place instead of standing over it.
 */
export function timeTicks(canvas, axis, palette, x, y, edge = 0) {
  const ticks = axis.ticks(),
    fill = palette.grey(0.7),
    wide = (/** @type {string} */ text) => widthOf(text, "11px");
  for (const { text, at, anchor } of tickNames(ticks, ticks.map(x), axis.unit, edge, wide)) {
    svg("text", { x: at, y, "text-anchor": anchor, class: "tick", fill, text }, canvas);
  }
}

/**
 * The numbers that there is room for: none begins before the one before it has ended.
 * @param {number[]} ticks
 * @param {number[]} places
 * @param {string} unit Written before the first.
 * @param {number} edge
 * @param {(text: string) => number} widthOf
 */
export function tickNames(ticks, places, unit, edge, widthOf) {
  let end = -Infinity;
  return spaced(places, APART).flatMap(({ at, i }, nth) => {
    const anchor = at < edge ? "start" : "middle",
      text = `${nth ? "" : `${unit} `}${grouped(ticks[i])}`,
      width = widthOf(text),
      begin = at - (anchor === "start" ? 0 : width / 2);
    if (begin < end + LEAST_GAP) return [];
    end = begin + width;
    return [{ text, at, anchor }];
  });
}

/**
 * Names of rows on the left, of columns below, and "answer" over the last column.
 * @param {Element} canvas
 * @param {{ x: (column: number) => number, y: (row: number) => number }} places
 * @param {{ rows: string[], columns: string[], height: number, palette: Palette }} names
 */
export function gridNames(canvas, { x, y }, { rows, columns, height, palette }) {
  rows.forEach((text, row) => {
    svg("text", { x: 4, y: y(row) + 4, class: "tick", fill: palette.grey(0.7), text }, canvas);
  });
  const named = { "text-anchor": "middle", class: "axis-name", fill: palette.grey(0.95) };
  columns.forEach((text, p) => {
    svg("text", { ...named, x: x(p), y: height - 8, text }, canvas);
  });
  svg("text", { ...named, x: x(columns.length - 1), y: 14, text: "answer" }, canvas);
}
