// @ts-check
// Means over some questions with their 95% intervals, as analyses/slices/reading.py takes them:
// in the same order, so that they agree to the last bit.

/** @typedef {{ quantiles: number[], z: number, least: number }} Statistics */
/** @typedef {Uint8Array | Uint16Array | Uint32Array} Codes */
/** @typedef {{ table: Float64Array, codes: Codes, asked: Codes, places: number }} TermsOf */
/** @typedef {{ mean: Float64Array, low: Float64Array, high: Float64Array, n: Float64Array }}
 *   Means */

/**
 * Wilson's (1927) interval of a share of successes.
 * @param {number} successes
 * @param {number} n
 * @param {number} z
 */
export function wilson(successes, n, z) {
  const share = successes / n,
    centre = (share + z ** 2 / (2 * n)) / (1 + z ** 2 / n),
    spread = (share * (1 - share)) / n + z ** 2 / (4 * n ** 2),
    half = (z * Math.sqrt(spread)) / (1 + z ** 2 / n);
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === n ? 1 : Math.min(1, centre + half),
  };
}

/**
 * The mean of shares at every place; Wilson's interval for what is 0 or 1 or agrees, Student's for
 * other values. NaN: there is none.
 * @param {TermsOf} terms `codes` by place and question; `table` has NaN for no value.
 * @param {number[]} chosen Questions on the last axis of the codes.
 * @param {Statistics} statistics
 * @returns {Means}
 */
export function meansOf({ table, codes, asked, places }, chosen, statistics) {
  const [mean, low, high, n] = [0, 1, 2, 3].map(() => new Float64Array(places).fill(NaN)),
    many = asked.length,
    k = chosen.length;
  for (let place = 0; place < places; place++) {
    const first = place * many;
    let known = 0,
      total = 0,
      squares = 0,
      binary = true;
    for (let i = 0; i < k; i++) {
      const value = table[codes[first + chosen[i]]];
      if (value !== value) continue; // NaN
      known++;
      total += value;
      squares += value * value;
      if (value !== 0 && value !== 1) binary = false;
    }
    n[place] = known;
    if (!known) continue;
    mean[place] = total / known;
    const found = interval(known, total, squares, binary, statistics);
    low[place] = found.low;
    high[place] = found.high;
  }
  return { mean, low, high, n };
}

/**
 * @param {number} n
 * @param {number} total
 * @param {number} squares
 * @param {boolean} binary
 * @param {Statistics} statistics
 */
function interval(n, total, squares, binary, { quantiles, z, least }) {
  const mean = total / n,
    spread = Math.sqrt(Math.max(squares - n * mean ** 2, 0) / (n - 1) / n);
  if (binary || spread <= 1e-9) return wilson(total, n, z);
  if (n < least) return { low: NaN, high: NaN };
  const half = quantiles[n] * spread;
  return { low: Math.max(mean - half, 0), high: Math.min(mean + half, 1) };
}

/**
 * What each position loses in each block, as app/instrument/measures.py has it.
 * @param {Means} tracing By step, layer and position.
 * @param {number[]} shape
 * @returns {{ shape: number[], value: Float64Array, low: Float64Array, high: Float64Array }}
 */
export function lossesOf({ mean, low, high }, [steps, layers, positions]) {
  const shape = [steps, layers - 1, positions],
    size = steps * (layers - 1) * positions,
    [value, below, above] = [0, 1, 2].map(() => new Float64Array(size));
  for (let at = 0; at < size; at++) {
    const block = (layers - 1) * positions,
      from = Math.floor(at / block) * layers * positions + (at % block),
      to = from + positions,
      lost = mean[from] - mean[to],
      half = Math.hypot((high[from] - low[from]) / 2, (high[to] - low[to]) / 2);
    value[at] = lost;
    below[at] = lost - half;
    above[at] = lost + half;
  }
  return { shape, value, low: below, high: above };
}

/**
 * Thousandths as app/instrument/packing.py sends them: of a half the even one, and only an exact
 * half of hundredths ends in 5; null for NaN.
 * @param {Float64Array} values
 */
export function thousandths(values) {
  return Array.from(values, (value) => {
    if (value !== value) return null;
    const exact = value * 1000,
      up = Math.round(exact),
      nearest = Math.abs(exact % 1) === 0.5 && up % 2 ? up - 1 : up;
    const five = ((nearest % 10) + 10) % 10 === 5;
    return five ? nearest + Math.sign(exact - nearest) : nearest;
  });
}
