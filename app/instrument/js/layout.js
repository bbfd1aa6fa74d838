// @ts-check
// Arithmetic of places: no element is made here.

const ONE_COLUMN = 720; // pixels below which panels stand one below the other

// Whether an instrument is as narrow as a phone.
/** @param {number} width */
export function isStacked(width) {
  return width < ONE_COLUMN;
}

/**
 * A grid of positions (to the right) by rows (upwards from the bottom), within its margins.
 * @param {{ width: number, height: number, columns: number, rows: number,
 *   margin: { left: number, right: number, top: number, bottom: number } }} room
 */
export function gridPlaces({ width, height, columns, rows, margin }) {
  const wide = width - margin.left - margin.right,
    high = height - margin.top - margin.bottom;
  return {
    /** @param {number} column */
    x: (column) => margin.left + (column * wide) / Math.max(1, columns - 1),
    /** @param {number} row */
    y: (row) => height - margin.bottom - (row * high) / Math.max(1, rows - 1),
  };
}

/**
 * Width of a drawing whose columns are at least so far apart; a wider one than its panel scrolls.
 * @param {number} width Of the panel.
 * @param {{ left: number, right: number }} margin
 * @param {number} columns
 * @param {number} apart
 */
export function roomFor(width, { left, right }, columns, apart) {
  return Math.max(width, left + right + apart * (columns - 1));
}

/**
 * How many of some panels stand side by side, in as few rows as leave each its least width.
 * @param {number} n
 * @param {{ width: number, least: number, gap: number }} room
 */
export function abreast(n, { width, least, gap }) {
  const most = Math.max(1, Math.floor((width + gap) / (least + gap)));
  return Math.ceil(n / Math.ceil(n / most));
}

/**
 * How the heads of a layer are broken into lines so that the patterns get as large as they can.
 * @param {{ width: number, height: number, heads: number, layers: number, top: number }} room The
 *   names of heads take `top`: of one line above all layers, of several above each.
 */
export function headsInARow({ width, height, heads, layers, top }) {
  const ways = Array.from({ length: heads }, (_, i) => {
    const lines = i + 1,
      across = Math.ceil(heads / lines),
      high = (height - top) / (layers * lines) - (lines > 1 ? top : 5);
    return { lines, across, size: Math.min(width / across - 5, high) };
  });
  return ways.reduce((best, way) => (way.size > best.size ? way : best));
}

/**
 * Index of the place that lies nearest to the wanted one; the first of several.
 * @param {number[]} places
 * @param {number} wanted
 */
export function nearestIndex(places, wanted) {
  let best = 0;
  places.forEach((place, i) => {
    if (Math.abs(place - wanted) < Math.abs(places[best] - wanted)) best = i;
  });
  return best;
}

/**
 * Index of the place that comes next in a direction, sideways counting threefold; -1 if none does.
 * @param {number[]} direction Unit steps to the right and down.
 * @param {number[]} from
 * @param {number[][]} places
 */
export function nextTowards([dx, dy], [x, y], places) {
  let best = -1,
    least = Infinity;
  places.forEach(([a, b], i) => {
    const ahead = (a - x) * dx + (b - y) * dy,
      aside = Math.abs((a - x) * dy) + Math.abs((b - y) * dx);
    if (ahead < 2 || ahead + 3 * aside >= least) return;
    best = i;
    least = ahead + 3 * aside;
  });
  return best;
}

/**
 * Those of rising places that are at least so far from the one kept before.
 * @param {number[]} places
 * @param {number} apart
 */
export function spaced(places, apart) {
  let last = -Infinity;
  return places.flatMap((at, i) => {
    if (at - last < apart) return [];
    last = at;
    return [{ at, i }];
  });
}

/**
 * Points of an SVG polyline; those without a value are left out.
 * @param {(number | null)[]} xs
 * @param {(number | null)[]} ys
 */
export function pointsOf(xs, ys) {
  return xs.flatMap((x, i) => {
    const y = ys[i] ?? null;
    return x === null || y === null ? [] : [`${x.toFixed(1)},${y.toFixed(1)}`];
  });
}

/**
 * The path of an edge between places. Edges up a column that pass by other components bow out
 * around them, to the right; so do the second and later ones between the same two places.
 * @param {number[]} from
 * @param {number[]} to
 * @param {number} rise Rows between them.
 * @param {number} nth How many edges between these places came before.
 * @param {number} most How far an edge may bow out before it runs over the next column.
 */
export function edgePath([x1, y1], [x2, y2], rise, nth, most = Infinity) {
  const bow = Math.min(most, (x1 === x2 && rise > 1 ? 62 + 9 * (rise - 2) : 0) + 8 * nth);
  const third = (y2 - y1) / 3;
  return `M${x1},${y1}C${x1 + bow},${y1 + third} ${x2 + bow},${y2 - third} ${x2},${y2}`;
}

/**
 * Ticks of an axis of values: quarters of a share, or round numbers between powers of ten.
 * @param {string} scale "share" or "log".
 * @param {number} low Its lower end; of a logarithmic one, the exponent.
 * @param {number} high
 */
export function valueTicks(scale, low, high) {
  if (scale === "share") return [0, 0.25, 0.5, 0.75, 1];
  const decades = high - low,
    units = decades > 2.5 ? [1] : decades > 2 ? [1, 3] : [1, 2, 5],
    ticks = [];
  const apart = decades > 5 ? 2 : 1; // powers
  for (let power = apart * Math.floor(low / apart); power <= high; power += apart) {
    ticks.push(...units.map((unit) => Number(`${unit}e${power}`)));
  }
  const inside = ticks.filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
  return inside.length > 1 ? inside : roundNumbers(10 ** low, 10 ** high);
}

/**
 * The multiples of the largest round number that has two of them between the ends.
 * @param {number} from
 * @param {number} to
 */
function roundNumbers(from, to) {
  for (let power = Math.floor(Math.log10(to)); power > -9; power--) {
    for (const unit of [5, 2, 1]) {
      const apart = unit * 10 ** power,
        first = Math.ceil(from / apart),
        n = Math.floor(to / apart) - first + 1;
      if (n > 1) return Array.from({ length: n }, (_, i) => (first + i) * apart);
    }
  }
  return [];
}
