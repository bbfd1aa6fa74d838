// @ts-check
// The slider over the number of edges kept, below the faithfulness that every number has.

import { placeOnCurve } from "./bench_state.js";
import { html, panel, setAttributes, svg } from "./elements.js";
import { spaced } from "./layout.js";
import { clamp, grouped, percent, two } from "./numbers.js";

/** @import { Context } from "./context.js" */
/** @import { BenchCurve } from "./payload.js" */

const SLIDER_MARGIN = { left: 34, right: 14, top: 8, bottom: 32 };

export class SizeSlider {
  /**
   * @param {Element} parent
   * @param {Context} context
   * @param {BenchCurve} curve
   * @param {number} height
   * @param {{ moved: (size: number) => void, settled: () => void }} on
   */
  constructor(parent, context, curve, height, on) {
    this.context = context;
    this.curve = curve;
    this.height = height;
    this.parts = panel(parent, "bench-size", "The strongest edges alone");
    this.legend = html("div", { class: "legend" }, this.parts.body);
    this.canvas = svg("svg", { height }, this.parts.body);
    this.slider = html(
      "input",
      {
        type: "range",
        min: 0,
        max: curve.size.length - 1,
        class: "size-slider",
        "aria-label": "Number of strongest edges kept",
      },
      this.parts.body,
    );
    this.slider.addEventListener("input", () => on.moved(this.size()));
    this.slider.addEventListener("change", () => on.settled());
    this.cursor = svg("line");
    this.x = (/** @type {number} */ _) => 0;
  }

  size() {
    return this.curve.size[Number(this.slider.value)];
  }

  /** @param {number} width */
  build(width) {
    const { palette } = this.context,
      { height, curve } = this,
      last = Math.max(1, curve.size.length - 1);
    const values = curve.faithfulness.map((value) => value ?? 0);
    const low = Math.max(-0.5, Math.min(0, ...values)),
      high = Math.min(1.5, Math.max(1, ...values));
    const wide = width - SLIDER_MARGIN.left - SLIDER_MARGIN.right,
      tall = height - SLIDER_MARGIN.top - SLIDER_MARGIN.bottom;
    this.x = (i) => SLIDER_MARGIN.left + (i * wide) / last;
    /** @param {number} value */
    const y = (value) =>
      SLIDER_MARGIN.top + tall * (1 - (clamp(value, low, high) - low) / (high - low));
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    setAttributes(this.slider, {
      style: `width:${wide + 16}px;margin-left:${SLIDER_MARGIN.left - 8}px`,
    });
    for (const value of [0, 0.5, 1]) {
      const at = {
        x1: SLIDER_MARGIN.left,
        x2: width - SLIDER_MARGIN.right,
        y1: y(value),
        y2: y(value),
      };
      svg("line", { ...at, stroke: palette.grey(0.15) }, this.canvas);
      const name = {
        x: SLIDER_MARGIN.left - 5,
        y: y(value) + 4,
        "text-anchor": "end",
        class: "tick",
      };
      svg("text", { ...name, fill: palette.grey(0.7), text: two(value) }, this.canvas);
    }
    for (const { at, i } of spaced(
      curve.size.map((_, i) => this.x(i)),
      34,
    )) {
      const name = { x: at, y: height - 16, "text-anchor": "middle", class: "tick" };
      svg("text", { ...name, fill: palette.grey(0.7), text: grouped(curve.size[i]) }, this.canvas);
    }
    const title = { class: "tick axis-title", fill: palette.grey(0.6) },
      middle = { x: SLIDER_MARGIN.left + wide / 2, y: height - 4, "text-anchor": "middle" };
    svg("text", { ...title, ...middle, text: "edges kept" }, this.canvas);
    this.line("edge", curve.faithfulness, curve.faithfulness_low, curve.faithfulness_high, y);
    this.line("id_test", curve.accuracy, curve.accuracy_low, curve.accuracy_high, y);
    const corner = { x: SLIDER_MARGIN.left + 4, y: SLIDER_MARGIN.top + 6 };
    svg("text", { ...title, ...corner, text: "share" }, this.canvas);
    const ends = { y1: SLIDER_MARGIN.top, y2: height - SLIDER_MARGIN.bottom };
    this.cursor = svg("line", { ...ends, stroke: palette.of("cursor") }, this.canvas);
  }

  /**
   * @param {string} colour
   * @param {(number | null)[]} values
   * @param {(number | null)[]} low
   * @param {(number | null)[]} high
   * @param {(value: number) => number} y
   */
  line(colour, values, low, high, y) {
    const { palette } = this.context;
    /** @param {(number | null)[]} row */
    const points = (row) =>
      row.flatMap((value, i) => (value === null ? [] : [`${this.x(i)},${y(value)}`]));
    const band = [...points(high), ...points(low).reverse()].join(" ");
    svg("polygon", { points: band, fill: palette.of(colour), opacity: 0.16 }, this.canvas);
    const style = { fill: "none", stroke: palette.of(colour), "stroke-width": 2 };
    svg("polyline", { points: points(values).join(" "), ...style }, this.canvas);
  }

  /**
   * @param {number} n Edges that are kept.
   * @param {boolean} exactly Whether they are the strongest ones.
   */
  draw(n, exactly) {
    const { palette } = this.context,
      { curve } = this,
      i = placeOnCurve(curve.size, n);
    this.slider.value = String(i);
    const [left, right] = [this.x(i), this.x(Math.min(i + 1, curve.size.length - 1))];
    const between = (curve.size[i + 1] ?? n) - curve.size[i] || 1;
    const x = left + ((right - left) * (n - curve.size[i])) / between;
    setAttributes(this.cursor, { x1: x, x2: x, "stroke-dasharray": exactly ? null : "3 3" });
    const at = Number(this.slider.value),
      least = curve.share[at];
    this.parts.note.textContent = exactly
      ? `${grouped(n)} edges${least === null ? "" : `, share ${two(least)} or more`}`
      : "pull to keep the strongest ones only";
    this.legend.replaceChildren();
    /** @type {[string, string, string][]} */
    const rows = [
      ["edge", two(curve.faithfulness[at]), "faithfulness"],
      ["id_test", percent(curve.accuracy[at]), "right alone"],
    ];
    for (const [colour, value, name] of rows) {
      const item = html("span", { class: "legend-item" }, this.legend);
      html("span", { class: "swatch", style: `background:${palette.of(colour)}` }, item);
      item.append(`${name}${exactly ? "" : ` (${grouped(curve.size[at])} strongest)`}`);
      html("b", { text: value }, item);
    }
  }
}
