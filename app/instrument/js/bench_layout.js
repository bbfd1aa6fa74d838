// @ts-check
// Where the components and edges of a circuit stand. No element is made here.

/** @import { Place } from "./bench_places.js" */

const BENCH_FRAME = { left: 92, top: 14, bottom: 40 };
export const GAP = 58; // between columns, where edges pass by
const BESIDE = 6; // between places of one component
export const PLACE_HIGH = 20; // of a place
const ROW = 30;

/**
 * Places from left to right by position and from below by row; a column is as wide as its widest
 * row, and what does not fit the panel scrolls.
 * @param {Place[]} places
 * @param {{ rows: number, columns: number, width: number, height: number,
 *   wide: (place: Place) => number }} room Width of the panel, least height, width of a place.
 */
export function benchLayout(places, { rows, columns, width, height, wide }) {
  const widths = places.map(wide);
  /** @type {Map<string, number>} */
  const rowWidth = new Map();
  places.forEach(({ row, position }, i) => {
    const key = `${row},${position}`;
    rowWidth.set(key, (rowWidth.get(key) ?? -BESIDE) + widths[i] + BESIDE);
  });
  const column = Array.from({ length: columns }, (_, p) =>
    Math.max(44, ...Array.from({ length: rows }, (_, r) => rowWidth.get(`${r},${p}`) ?? 0)),
  );
  const needed = BENCH_FRAME.left + column.reduce((sum, one) => sum + one + GAP, 0);
  const spare = Math.max(0, width - needed) / columns;
  const high = Math.max(
    height,
    BENCH_FRAME.top + BENCH_FRAME.bottom + PLACE_HIGH + ROW * (rows - 1),
  );
  const apart = (high - BENCH_FRAME.top - BENCH_FRAME.bottom - PLACE_HIGH) / Math.max(1, rows - 1);
  /** @type {number[]} */
  const left = [];
  column.forEach((_, p) => {
    left.push(p ? left[p - 1] + column[p - 1] + GAP + spare : BENCH_FRAME.left + spare / 2);
  });
  /** @type {Map<string, number>} */
  const used = new Map();
  const boxes = places.map(({ row, position }, i) => {
    const key = `${row},${position}`,
      before = used.get(key) ?? 0;
    used.set(key, before + widths[i] + BESIDE);
    const start = left[position] + (column[position] - (rowWidth.get(key) ?? 0)) / 2;
    return { x: start + before + widths[i] / 2, y: yOf(row), wide: widths[i] };
  });
  /** @param {number} row */
  function yOf(row) {
    return high - BENCH_FRAME.bottom - PLACE_HIGH / 2 - row * apart;
  }
  return {
    width: Math.max(width, needed),
    height: high,
    boxes,
    yOf,
    middle: column.map((wide, p) => left[p] + wide / 2),
    right: column.map((wide, p) => left[p] + wide),
  };
}

/** @typedef {{ x: number, y: number }} Point */

/**
 * The path of an edge. Up a column past other components it bows out to the right of them, never
 * as far as the next column; otherwise it leaves and arrives upright.
 * @param {Point} from
 * @param {Point} to
 * @param {number} rise Rows between them.
 * @param {number | null} right Edge of the column that both stand in; null: they do not.
 */
export function benchPath(from, to, rise, right) {
  const [y1, y2] = [from.y - PLACE_HIGH / 2, to.y + PLACE_HIGH / 2],
    third = (y1 - y2) / 3;
  if (right !== null && rise > 1) {
    const peak = right + Math.min(GAP - 16, 8 + 5 * rise);
    // a cubic reaches three quarters of the way from its ends to its handles
    const bow = (peak - 0.125 * (from.x + to.x)) / 0.75;
    return `M${from.x},${y1}C${bow},${y1 - third} ${bow},${y2 + third} ${to.x},${y2}`;
  }
  const middle = (y1 + y2) / 2;
  return `M${from.x},${y1}C${from.x},${middle} ${to.x},${middle} ${to.x},${y2}`;
}
