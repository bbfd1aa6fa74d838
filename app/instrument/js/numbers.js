// @ts-check
// Numbers in the form in which they are read; a dash where there is none. Halves are rounded up in
// both forms: 0.965 is ".97" beside "97%" (its toFixed(2) would be "0.96").

/** @param {number | null | undefined} value */
export function two(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return (Math.round(100 * value) / 100).toFixed(2);
}

// Without the zero before the point, for cells: ".42".
/** @param {number | null | undefined} value */
export function short(value) {
  return two(value).replace(/^0/, "");
}

/** @param {number | null | undefined} value */
export function percent(value) {
  return value === null || value === undefined ? "–" : `${Math.round(100 * value)}%`;
}

/** @param {number} number */
export function grouped(number) {
  return Math.round(number).toLocaleString("en-US");
}

// On a logarithmic scale: two digits, or a power of ten.
/** @param {number | null | undefined} value */
export function twoDigits(value) {
  if (value === null || value === undefined) return "–";
  return value < 0.001 ? value.toExponential(0) : value.toPrecision(2);
}

/** @param {number} value */
export function nats(value) {
  const size = Math.abs(value),
    text = size.toFixed(size < 9.95 ? 1 : 0);
  return value < 0 && Number(text) ? `−${text}` : text;
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
