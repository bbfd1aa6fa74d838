// @ts-check
// Exponential smoothing of curves, as TensorBoard does it.

import { percent } from "./numbers.js";

/** @type {Record<string, string>} */
export const SMOOTHING = { 0: "raw", 0.5: "smooth .5", 0.8: "smooth .8" };

/**
 * Running mean in which each earlier value counts `weight` times as much as the one after it; it is
 * not drawn to zero at the start. Gaps stay gaps.
 * @param {(number | null)[]} values
 * @param {number} weight From 0 (as they are) to below 1.
 */
export function smoothed(values, weight) {
  let sum = 0,
    weights = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    weights = weight * weights + (1 - weight);
    return sum / weights;
  });
}

/** @param {number} weight */
export function smoothingInWords(weight) {
  if (!weight) return "";
  return `thick: running mean, ${percent(weight)} of it from before; thin: as measured`;
}
