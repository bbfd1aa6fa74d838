// Small helpers shared by all panels: elements, arrays with named shape, number formats, colours.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value);
  }
  return element;
}

function html(tag, attributes = {}, parent = null) {
  const element = setAttributes(document.createElement(tag), attributes);
  if (parent) parent.appendChild(element);
  return element;
}

function svg(tag, attributes = {}, parent = null) {
  const element = setAttributes(document.createElementNS(SVG_NAMESPACE, tag), attributes);
  if (parent) parent.appendChild(element);
  return element;
}

// An array of thousandths with a shape, as Python packed it; null where nothing was measured.
class Grid {
  constructor(packed) {
    this.shape = packed.shape;
    this.values = packed.values;
    this.strides = this.shape.map((_, axis) =>
      this.shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  }

  at(...index) {
    let offset = 0;
    for (let axis = 0; axis < index.length; axis++) offset += index[axis] * this.strides[axis];
    const value = this.values[offset];
    return value === null || value === undefined ? null : value / 1000;
  }
}

// A mean with its interval: {value, low, high} of Grids; low and high may be missing.
class Measure {
  constructor(packed) {
    this.value = new Grid(packed.value);
    this.low = packed.low ? new Grid(packed.low) : null;
    this.high = packed.high ? new Grid(packed.high) : null;
    this.shape = this.value.shape;
  }

  at(...index) { return this.value.at(...index); }

  interval(...index) {
    if (!this.low) return null;
    const low = this.low.at(...index), high = this.high.at(...index);
    return low === null || high === null ? null : [low, high];
  }

  inWords(...index) {
    const value = this.at(...index);
    if (value === null) return "not measured";
    const interval = this.interval(...index);
    const range = interval ? ` (95% interval ${two(interval[0])} to ${two(interval[1])})` : "";
    return two(value) + range;
  }
}

function two(value) {
  return value === null || value === undefined || Number.isNaN(value) ? "–" : value.toFixed(2);
}

function percent(value) {
  return value === null || value === undefined ? "–" : `${Math.round(100 * value)}%`;
}

function grouped(number) { return Math.round(number).toLocaleString("en-US"); }

function clamp(value, low, high) { return Math.min(high, Math.max(low, value)); }

function parseColour(text) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = text.trim() || "#fff";
  const hex = probe.fillStyle;
  if (hex.startsWith("#")) return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return hex.match(/[\d.]+/g).slice(0, 3).map(Number);
}

function mix(from, to, share) {
  const t = clamp(share, 0, 1);
  return `rgb(${from.map((channel, i) => Math.round(channel + (to[i] - channel) * t)).join(",")})`;
}

function luminance(rgb) { return (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) / 255; }

// The whole page of an instrument fits 800 pixels; a higher window (a projector) is made use of.
function highOn(pixels) { return Math.round(pixels * clamp((window.innerHeight - 120) / 680, 1, 1.45)); }

// Colours of the page's theme plus the colour-blind safe ones of the figures (sent by Python).
class Palette {
  constructor(element, colours) {
    const style = getComputedStyle(element);
    this.background = parseColour(style.getPropertyValue("--st-background-color") || "#ffffff");
    this.text = parseColour(style.getPropertyValue("--st-text-color") || "#222222");
    this.dark = luminance(this.background) < 0.5;
    this.colours = colours;
  }

  // Lighter on a dark page, where the darker ones would hardly be seen.
  of(name) {
    const colour = this.colours[name] || this.colours.neutral;
    return this.dark ? mix(parseColour(colour).map((c) => Math.min(255, c * 0.85 + 40)), [0, 0, 0], 0) : colour;
  }

  shade(name, share) { return mix(this.background, parseColour(this.of(name)), share); }

  inkOn(name, share) {
    const fill = this.shade(name, share).match(/\d+/g).map(Number);
    return luminance(fill) > 0.55 ? "#14181d" : "#ffffff";
  }

  grey(share) { return mix(this.background, this.text, share); }
}

// One tooltip for the whole instrument, in words.
class Tooltip {
  constructor(root) {
    this.root = root;
    this.box = html("div", { class: "tooltip", role: "tooltip" }, root);
  }

  show(event, text) {
    this.box.textContent = text;
    this.box.style.display = "block";
    const frame = this.root.getBoundingClientRect();
    const size = this.box.getBoundingClientRect();
    const left = clamp(event.clientX - frame.left + 14, 4, frame.width - size.width - 4);
    let top = event.clientY - frame.top + 16;
    if (event.clientY + 24 + size.height > window.innerHeight) top -= size.height + 28;
    this.box.style.left = `${left}px`;
    this.box.style.top = `${top}px`;
  }

  hide() { this.box.style.display = "none"; }

  on(element, words) {
    element.addEventListener("mousemove", (event) => this.show(event, words()));
    element.addEventListener("mouseleave", () => this.hide());
  }
}

function panel(parent, className, title, hint = "") {
  const box = html("section", { class: `panel ${className}` }, parent);
  const head = html("div", { class: "panel-head" }, box);
  const heading = html("h3", { text: title }, head);
  const note = html("span", { class: "panel-note", text: hint }, head);
  const body = html("div", { class: "panel-body" }, box);
  return { box, head, heading, note, body };
}
