// @ts-check
// Names in the room there is, by their measured width. What is left out is the middle, since names
// that begin alike ("University of California, ...") differ at their ends. Hover texts have them
// whole.

/** @type {CanvasRenderingContext2D | null} */
let ruler = null; // made when it is first needed: Node has no document
/** @type {Map<string, string>} */
const fitted = new Map();
/** @type {Map<string, number>} */
const widths = new Map();
const MOST_KEPT = 20_000; // of either

const letters = new Intl.Segmenter();

let family = "sans-serif";

// The font of the page that is drawn on.
/** @param {Element} element */
export function measureLike(element) {
  const now = getComputedStyle(element).fontFamily || family;
  if (now !== family || fitted.size + widths.size > MOST_KEPT) {
    fitted.clear();
    widths.clear();
  }
  family = now;
}

// Widths measured before a font of the page was there are those of another font.
/**
 * @param {() => void} draw
 * @returns {() => void} Ends it.
 */
export function onNewFonts(draw) {
  const renew = () => {
    fitted.clear();
    widths.clear();
    draw();
  };
  document.fonts.addEventListener("loadingdone", renew);
  return () => document.fonts.removeEventListener("loadingdone", renew);
}

/**
 * @param {string} text
 * @param {string} font Weight and size, e.g. "600 11.5px".
 */
export function widthOf(text, font) {
  const key = `${font} ${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    width = measured(text, font);
    widths.set(key, width);
  }
  return width;
}

/**
 * @param {string} text
 * @param {string} font
 */
function measured(text, font) {
  ruler ??= document.createElement("canvas").getContext("2d");
  if (!ruler) return 0;
  ruler.font = `${font} ${family}`;
  return ruler.measureText(text).width;
}

/**
 * @param {string} name
 * @param {number} width Pixels.
 */
export function shortened(name, width, font = "600 11.5px") {
  const key = `${font} ${Math.floor(width)} ${name}`;
  if (!fitted.has(key))
    fitted.set(
      key,
      fit(name, width, (text) => widthOf(text, font)),
    );
  return fitted.get(key) ?? name;
}

/**
 * A name without as much of its middle as it takes to fit.
 * @param {string} name
 * @param {number} width
 * @param {(text: string) => number} widthOf
 */
export function fit(name, width, widthOf) {
  if (widthOf(name) <= width) return name;
  const parts = [...letters.segment(name)].map((part) => part.segment);
  /** @param {number} n */
  const kept = (n) => {
    const start = parts.slice(0, Math.ceil(n / 2)),
      end = parts.slice(parts.length - Math.floor(n / 2));
    return `${start.join("").trimEnd()}…${end.join("").trimStart()}`;
  };
  let least = 1,
    most = parts.length - 1;
  while (least < most) {
    const n = Math.ceil((least + most) / 2);
    if (widthOf(kept(n)) <= width) least = n;
    else most = n - 1;
  }
  return kept(least);
}

/**
 * The names if there is room for each, else the symbols that stand for them.
 * @param {string[]} names
 * @param {string[] | undefined} symbols
 * @param {number} width
 * @param {(text: string) => number} widthOf
 */
export function namesOrSymbols(names, symbols, width, widthOf) {
  const roomy = names.every((name) => widthOf(name) <= width);
  return roomy || !symbols ? names : symbols;
}

const COLUMN_NAME = "600 12.5px"; // as .axis-name has it

/**
 * Names of positions under columns: whole, short, or as symbols, whichever all fit first.
 * @param {{ label: string, short: string, symbol: string }[]} positions
 * @param {number} apart Pixels between columns.
 * @param {string[]} [symbols] Said in brackets, too.
 */
export function namesThatFit(positions, apart, symbols) {
  const also = (/** @type {number} */ i) => (symbols ? ` (${symbols[i]})` : "");
  const forms = [
    positions.map((p, i) => p.label + also(i)),
    positions.map((p, i) => p.short + also(i)),
  ];
  const fits = (/** @type {string[]} */ names) =>
    names.every((name) => widthOf(name, COLUMN_NAME) <= apart - 8);
  return forms.find(fits) ?? positions.map((p) => p.symbol);
}
