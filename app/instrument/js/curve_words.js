// @ts-check
// The values of a curve at a step, in words.

import { lastUpTo } from "./dataset.js";
import { grouped, percent, short, twoDigits } from "./numbers.js";

/** @import { Series } from "./formation_series.js" */

/**
 * @param {number | null} value
 * @param {string} unit "share", "MRR" or "log".
 */
export function inUnit(value, unit) {
  if (unit === "log") return twoDigits(value);
  return unit === "MRR" ? short(value) : percent(value);
}

/**
 * @param {number[]} steps
 * @param {(number | null)[]} values
 * @param {number} step
 * @param {boolean} exact A series that has ended has no value any more, not its last one.
 */
export function valueAt(steps, values, step, exact) {
  return exact ? (values[steps.indexOf(step)] ?? null) : lastUpTo(steps, values, step);
}

/**
 * A series at a step, with its 95% interval in brackets and its n.
 * @param {Series} series
 * @param {number} step
 * @param {boolean} exact
 * @param {(value: number | null) => string} format
 */
export function seriesInWords({ name, steps, values, low, high, n }, step, exact, format) {
  const found = [values, low, high].map((some) => some && valueAt(steps, some, step, exact));
  const [value, from, to] = found.map((v) => format(v ?? null));
  const known = found.every((v) => typeof v === "number");
  return `${name} ${value}${known ? ` [${from} to ${to}]` : ""}${n ? ` of ${grouped(n)}` : ""}`;
}

/**
 * All series at a step.
 * @param {Series[]} series
 * @param {number} step
 * @param {boolean} exact
 * @param {(value: number | null, unit?: string) => string} format
 */
export function valuesInWords(series, step, exact, format) {
  return series.map((s) => seriesInWords(s, step, exact, (v) => format(v, s.unit))).join(", ");
}

/**
 * A share at a step, or how a series that has ended before it ended.
 * @param {Pick<Series, "name" | "steps" | "values">} series
 * @param {number} step
 */
export function shareOrEnd({ name, steps, values }, step) {
  const last = values.findLastIndex((value) => value !== null);
  const here = valueAt(steps, values, step, true);
  if (last < 0 || step <= steps[last]) return `${name} ${percent(here)}`;
  return `${name} ended at ${grouped(steps[last])} with ${percent(values[last])}`;
}
