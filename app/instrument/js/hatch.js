// @ts-check
// Hatching: what is drawn over states that the answer cannot depend on.

import { svg } from "./elements.js";

/** @import { Palette } from "./colours.js" */

export const VEIL = 0.45; // of the page's ground that lies over the colour

let made = 0; // patterns so far: each needs a name of its own

/**
 * A pattern of this drawing, as a fill.
 * @param {SVGSVGElement} canvas
 * @param {Palette} palette
 */
export function hatching(canvas, palette) {
  made += 1;
  const id = `hatch-${made}`;
  const size = { width: 6, height: 6, patternUnits: "userSpaceOnUse" };
  const pattern = svg("pattern", { id, ...size, patternTransform: "rotate(45)" }, canvas);
  svg("rect", { width: 6, height: 6, fill: palette.grey(0), opacity: VEIL }, pattern);
  const line = { x1: 0, x2: 0, y1: 0, y2: 6, stroke: palette.grey(0.45), "stroke-width": 1.2 };
  svg("line", line, pattern);
  return `url(#${id})`;
}
