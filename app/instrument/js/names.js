// Names in the room there is, by their measured width. What is left out is the middle, since names
// that begin alike ("University of California, ...") differ at their ends. Hover texts have them whole.

const ruler = document.createElement("canvas").getContext("2d");

const fitted = new Map();

const letters = new Intl.Segmenter();

let family = "sans-serif";

// The font of the page that is drawn on.
export function measureLike(element) {
  const now = getComputedStyle(element).fontFamily || family;
  if (now !== family) fitted.clear();
  family = now;
}

// font: weight and size, e.g. "600 11.5px".
export function widthOf(text, font) {
  ruler.font = `${font} ${family}`;
  return ruler.measureText(text).width;
}

export function shortened(name, width, font = "600 11.5px") {
  const key = `${font} ${Math.floor(width)} ${name}`;
  if (!fitted.has(key)) fitted.set(key, fit(name, width, font));
  return fitted.get(key);
}

function fit(name, width, font) {
  if (widthOf(name, font) <= width) return name;
  const parts = [...letters.segment(name)].map((part) => part.segment);
  const kept = (n) => {
    const start = parts.slice(0, Math.ceil(n / 2)),
      end = parts.slice(parts.length - Math.floor(n / 2));
    return `${start.join("").trimEnd()}…${end.join("").trimStart()}`;
  };
  let least = 1,
    most = parts.length - 1;
  while (least < most) {
    const n = Math.ceil((least + most) / 2);
    if (widthOf(kept(n), font) <= width) least = n;
    else most = n - 1;
  }
  return kept(least);
}
