// @ts-check
// Lines over training with bands, reference lines, a cursor and live values in the legend.

import { valueAxis } from "./curve_axes.js";
import { drawSeries } from "./curve_lines.js";
import { inUnit, valueAt, valuesInWords } from "./curve_words.js";
import { html, panel, setAttributes, setText, svg } from "./elements.js";
import { nearestIndex } from "./layout.js";
import { shortened } from "./names.js";
import { clamp, grouped } from "./numbers.js";
import { smoothingInWords } from "./smoothing.js";
import { timeTicks } from "./ticks.js";

const LEGEND_NAME = 230; // pixels of a name in a legend
const LEAST = 1e-9; // where a logarithmic axis ends, below what single precision tells from 0

/** @import { Reference, Series } from "./formation_series.js" */
/** @import { Context } from "./context.js" */
/** @import { Palette } from "./colours.js" */

/**
 * @typedef {object} CurvesOptions
 * @property {string} title
 * @property {string} [hint]
 * @property {string} [className]
 * @property {number} height
 * @property {string} [scale] "share" or "log".
 * @property {boolean} [names] Whether the legend names the series, or one for several panels does.
 * @property {string} [unit] "MRR" if all series are; otherwise shares.
 * @property {boolean} [exact] A series that has ended has no value any more, not its last one.
 * @property {Series[]} series
 * @property {Reference[]} [references] Dashed lines.
 */

export class Curves {
  /**
   * @param {Element} parent
   * @param {Context} context
   * @param {CurvesOptions} options
   */
  constructor(parent, context, options) {
    const { title, hint, className = "", height, scale = "share" } = options;
    this.context = context;
    this.height = height;
    this.scale = scale;
    this.hint = hint ?? "";
    this.names = options.names ?? true;
    this.exact = options.exact ?? false;
    this.unit = options.unit ?? "share";
    this.series = options.series;
    this.references = options.references ?? [];
    this.width = 0;
    this.area = { left: 0, right: 0, top: 0, bottom: 0 };
    this.ends = [0, 1];
    /** @type {SVGCircleElement[]} */
    this.dots = [];
    /** @type {HTMLElement[]} */
    this.numbers = [];
    this.cursor = svg("line");
    this.parts = panel(parent, `curves ${className}`, title, hint);
    this.legend = html("div", { class: "legend" }, this.parts.box);
    this.parts.box.insertBefore(this.legend, this.parts.body);
    this.canvas = svg("svg", { height }, this.parts.body);
    this.context.playhead.follow(() => this.draw());
    this.hover();
  }

  /** @param {Partial<CurvesOptions> & { series: Series[] }} shown */
  replace({ title, hint, series, references = [], unit }) {
    this.unit = unit ?? this.unit;
    this.series = series;
    this.references = references;
    if (title) this.parts.heading.textContent = title;
    this.hint = hint ?? this.hint;
    this.build(this.width);
  }

  // The ends of the axis of values; of a logarithmic one, the exponents.
  range() {
    if (this.scale === "share") return [0, 1];
    const all = this.series.flatMap(({ values }) => values.filter((v) => v !== null && v > 0));
    const exponents = all.map((value) => Math.log10(Math.max(value ?? 0, LEAST)));
    return [Math.min(...exponents) - 0.05, Math.max(...exponents) + 0.05];
  }

  /** @param {number} step */
  x(step) {
    const { left, right } = this.area;
    return left + (right - left) * this.context.axis.place(step);
  }

  /** @param {number} value */
  y(value) {
    const { top, bottom } = this.area, [low, high] = this.ends; // prettier-ignore
    const v = this.scale === "share" ? value : Math.log10(Math.max(value, LEAST));
    return bottom - (bottom - top) * clamp((v - low) / (high - low), -0.02, 1.02);
  }

  /** @param {number} value */
  at = (value) => this.y(value);

  /** @param {number} width */
  build(width) {
    this.width = width;
    const { palette, smoothing } = this.context;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    this.area = { left: 34, right: width - 10, top: 6, bottom: this.height - 18 };
    const { top, bottom } = this.area;
    this.ends = this.range();
    this.axes(palette);
    const text = [this.hint, smoothingInWords(smoothing)].filter(Boolean).join("; ");
    setAttributes(this.parts.note, { text, title: text });
    for (const reference of this.references) this.referenceLine(reference);
    for (const s of this.series) {
      const xs = s.steps.map((step) => this.x(step));
      drawSeries(this.canvas, s, palette.of(s.colour), xs, this.at, smoothing);
    }
    const pole = { y1: top, y2: bottom, stroke: palette.grey(0.75), "stroke-width": 1.2 };
    this.cursor = svg("line", pole, this.canvas);
    this.dots = this.series.map(({ colour }) => {
      const dot = { r: 3.5, fill: palette.of(colour), stroke: palette.grey(0) };
      return svg("circle", dot, this.canvas);
    });
    this.buildLegend(palette);
    this.draw();
  }

  /** @param {Palette} palette */
  axes(palette) {
    const { area, at: y, ends, scale, unit, series, references } = this,
      x = (/** @type {number} */ step) => this.x(step);
    valueAxis(this.canvas, palette, { ...area, ends, scale, unit, series, references, x, y });
    timeTicks(this.canvas, this.context.axis, palette, x, area.bottom + 13, 50);
  }

  /** @param {Reference} reference */
  referenceLine({ value, dots, colour, words }) {
    const { palette, tooltip } = this.context,
      { left, right } = this.area,
      y = this.y(value),
      style = { "stroke-dasharray": dots ? "1.5 3.5" : "6 4", "stroke-width": 1.4, opacity: 0.9 };
    const ends = { x1: left, x2: right, y1: y, y2: y, stroke: palette.of(colour) };
    tooltip.on(svg("line", { ...ends, ...style }, this.canvas), () => words);
  }

  /** @param {Palette} palette */
  buildLegend(palette) {
    this.legend.replaceChildren();
    this.numbers = this.series.map((s) => {
      const item = html("span", { class: "legend-item" }, this.legend);
      const swatch = html("span", { class: s.dash ? "swatch dashed" : "swatch" }, item);
      swatch.style.setProperty("--colour", palette.of(s.colour));
      if (this.names) html("span", { text: shortened(s.name, LEGEND_NAME, "12px") }, item);
      this.context.tooltip.on(item, () => s.name);
      return html("b", {}, item);
    });
    for (const reference of this.references) {
      const item = html("span", { class: "legend-item" }, this.legend);
      html("span", { class: `dash ${reference.dots ? "dots" : ""}` }, item).style.borderColor =
        palette.of(reference.colour);
      html("span", { text: reference.name }, item);
      this.context.tooltip.on(item, () => reference.words);
    }
  }

  /** @param {(number | null)} value */
  format(value, unit = this.unit) {
    return inUnit(value, this.scale === "share" ? unit : "log");
  }

  draw() {
    if (!this.width) return;
    const { step } = this.context.playhead,
      at = this.x(step).toFixed(1);
    setAttributes(this.cursor, { x1: at, x2: at });
    this.series.forEach((s, i) => {
      const value = valueAt(s.steps, s.values, step, this.exact);
      setText(this.numbers[i], this.format(value, s.unit));
      const visibility = value === null ? "hidden" : "visible";
      setAttributes(this.dots[i], { cx: at, cy: this.y(value ?? 0), visibility });
    });
  }

  // Index of the checkpoint that is nearest to the mouse.
  /** @param {MouseEvent} event */
  pointedAt(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    const wanted = ((event.clientX - left) * this.width) / width; // it may be shown enlarged
    return nearestIndex(this.context.playhead.steps.map((step) => this.x(step)), wanted);
  }

  /** @param {number} step */
  inWords(step) {
    const all = valuesInWords(this.series, step, this.exact, (v, unit) => this.format(v, unit));
    return `${this.context.data.unit} ${grouped(step)}: ${all}`;
  }

  hover() {
    const { playhead, tooltip } = this.context;
    this.canvas.addEventListener("mousemove", (event) => {
      const words = this.inWords(playhead.steps[this.pointedAt(event)]);
      tooltip.show(event, `${words}. In brackets: 95% intervals. Click to go there.`);
    });
    const said = () => `${this.parts.heading.textContent}, ${this.inWords(playhead.step)}`;
    tooltip.reach.describe(this.canvas, said);
    this.canvas.addEventListener("mouseleave", () => tooltip.hide());
    this.canvas.addEventListener("click", (event) => playhead.to(this.pointedAt(event)));
  }
}
