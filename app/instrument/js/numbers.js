// Numbers in the form in which they are read.

export function two(value) {
  return value === null || value === undefined || Number.isNaN(value) ? "–" : value.toFixed(2);
}

export function percent(value) {
  return value === null || value === undefined ? "–" : `${Math.round(100 * value)}%`;
}

export function grouped(number) {
  return Math.round(number).toLocaleString("en-US");
}

export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

export function nats(value) {
  const size = Math.abs(value),
    text = size.toFixed(size < 9.95 ? 1 : 0);
  return value < 0 && Number(text) ? `−${text}` : text;
}
