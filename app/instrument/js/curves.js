// Lines over training with bands, reference lines, a cursor and live values in the legend.

import { html, panel, setAttributes, svg } from "./elements.js";
import { shortened } from "./names.js";
import { clamp, grouped, percent } from "./numbers.js";
import { timeTicks } from "./ticks.js";

const LEGEND_NAME = 230; // pixels of a name in a legend

// Lines over training with bands, dashed reference lines, a cursor and live values in the legend.

export class Curves {
  // names: whether the legend names the series, or a legend for several panels does.
  // exact: a series that has ended has no value any more, rather than its last one.
  // series: [{name, colour, steps, values, low?, high?, dash?}]; references: [{value, colour, name}]
  constructor(
    parent,
    context,
    {
      title,
      hint,
      className = "",
      height,
      scale = "share",
      names = true,
      exact = false,
      series,
      references = [],
    },
  ) {
    Object.assign(this, { context, height, scale, names, exact, series, references });
    this.parts = panel(parent, `curves ${className}`, title, hint);
    this.legend = html("div", { class: "legend" }, this.parts.box);
    this.parts.box.insertBefore(this.legend, this.parts.body);
    this.canvas = svg("svg", { height }, this.parts.body);
    this.context.playhead.follow(() => this.draw());
    this.hover();
  }

  replace({ title, hint, series, references = [] }) {
    Object.assign(this, { series, references });
    if (title) this.parts.heading.textContent = title;
    if (hint !== undefined) this.parts.note.textContent = hint;
    this.build(this.width);
  }

  range() {
    if (this.scale === "share") return [0, 1];
    const all = this.series.flatMap((s) => s.values).filter((v) => v > 0);
    const low = Math.max(Math.min(...all), 1e-5),
      high = Math.max(...all);
    return [Math.log10(low) - 0.05, Math.log10(high) + 0.05];
  }

  build(width) {
    this.width = width;
    const { palette, axis } = this.context;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    this.area = { left: 34, right: width - 10, top: 6, bottom: this.height - 18 };
    const { left, right, top, bottom } = this.area;
    const [low, high] = this.range();
    this.x = (step) => left + (right - left) * axis.place(step);
    this.y = (value) => {
      const v = this.scale === "share" ? value : Math.log10(Math.max(value, 1e-5));
      return bottom - (bottom - top) * clamp((v - low) / (high - low), -0.02, 1.02);
    };
    this.gridLines(palette, low, high);
    for (const reference of this.references) this.referenceLine(reference, palette);
    for (const s of this.series) this.line(s, palette);
    this.cursor = svg(
      "line",
      { y1: top, y2: bottom, stroke: palette.grey(0.75), "stroke-width": 1.2 },
      this.canvas,
    );
    this.dots = this.series.map((s) =>
      svg("circle", { r: 3.5, fill: palette.of(s.colour), stroke: palette.grey(0) }, this.canvas),
    );
    this.buildLegend(palette);
    this.draw();
  }

  gridLines(palette, low, high) {
    const { left, right, bottom } = this.area;
    const ticks = this.scale === "share" ? [0, 0.25, 0.5, 0.75, 1] : [];
    if (this.scale !== "share") {
      const units = high - low > 2 ? [1] : [1, 2, 5];
      for (let power = Math.floor(low); power <= high; power++) {
        ticks.push(
          ...units
            .map((m) => m * 10 ** power)
            .filter((t) => Math.log10(t) >= low && Math.log10(t) <= high),
        );
      }
    }
    for (const tick of ticks) {
      const y = this.y(tick);
      svg("line", { x1: left, x2: right, y1: y, y2: y, stroke: palette.grey(0.12) }, this.canvas);
      svg(
        "text",
        {
          x: left - 4,
          y: y + 3.5,
          "text-anchor": "end",
          class: "tick",
          fill: palette.grey(0.7),
          text:
            this.scale === "share"
              ? `${Math.round(tick * 100)}%`
              : String(Number(tick.toPrecision(2))),
        },
        this.canvas,
      );
    }
    timeTicks(this.canvas, this.context.axis, palette, this.x, bottom + 13);
  }

  referenceLine(reference, palette) {
    const { left, right } = this.area;
    const y = this.y(reference.value);
    const line = svg(
      "line",
      {
        x1: left,
        x2: right,
        y1: y,
        y2: y,
        stroke: palette.of(reference.colour),
        "stroke-dasharray": reference.dots ? "1.5 3.5" : "6 4",
        "stroke-width": 1.4,
        opacity: 0.9,
      },
      this.canvas,
    );
    this.context.tooltip.on(line, () => reference.words || reference.name);
  }

  line(s, palette) {
    const colour = palette.of(s.colour);
    const known = s.values
      .map((v, i) => (v === null || v === undefined ? -1 : i))
      .filter((i) => i >= 0);
    if (s.low) {
      const up = known.map(
        (i) => `${this.x(s.steps[i]).toFixed(1)},${this.y(s.high[i] ?? s.values[i]).toFixed(1)}`,
      );
      const down = known
        .map(
          (i) => `${this.x(s.steps[i]).toFixed(1)},${this.y(s.low[i] ?? s.values[i]).toFixed(1)}`,
        )
        .reverse();
      svg(
        "polygon",
        { points: [...up, ...down].join(" "), fill: colour, opacity: 0.18 },
        this.canvas,
      );
    }
    const points = known.map(
      (i) => `${this.x(s.steps[i]).toFixed(1)},${this.y(s.values[i]).toFixed(1)}`,
    );
    svg(
      "polyline",
      {
        points: points.join(" "),
        fill: "none",
        stroke: colour,
        "stroke-width": s.strong ? 2.6 : 1.8,
        "stroke-dasharray": s.dash || null,
        "stroke-linejoin": "round",
      },
      this.canvas,
    );
  }

  buildLegend(palette) {
    this.legend.replaceChildren();
    this.numbers = this.series.map((s) => {
      const item = html("span", { class: "legend-item" }, this.legend);
      const swatch = html("span", { class: "swatch" }, item);
      swatch.style.background = palette.of(s.colour);
      if (this.names) html("span", { text: shortened(s.name, LEGEND_NAME, "12px") }, item);
      this.context.tooltip.on(item, () => s.words || s.name);
      return html("b", {}, item);
    });
    for (const reference of this.references) {
      const item = html("span", { class: "legend-item" }, this.legend);
      html("span", { class: `dash ${reference.dots ? "dots" : ""}` }, item).style.borderColor =
        palette.of(reference.colour);
      html("span", { text: reference.name }, item);
      this.context.tooltip.on(item, () => reference.words || reference.name);
    }
  }

  valueAt(s, step) {
    if (this.exact) return s.values[s.steps.indexOf(step)] ?? null;
    let at = -1;
    for (let i = 0; i < s.steps.length && s.steps[i] <= step; i++) if (s.values[i] !== null) at = i;
    return at < 0 ? null : s.values[at];
  }

  format(value) {
    if (value === null || value === undefined) return "–";
    if (this.scale === "share") return percent(value);
    return value < 0.001 ? value.toExponential(0) : value.toPrecision(2);
  }

  draw() {
    if (!this.cursor) return;
    const step = this.context.playhead.step,
      at = this.x(step).toFixed(1);
    setAttributes(this.cursor, { x1: at, x2: at });
    this.series.forEach((s, i) => {
      const value = this.valueAt(s, step);
      this.numbers[i].textContent = this.format(value);
      setAttributes(this.dots[i], {
        cx: at,
        cy: value === null ? 0 : this.y(value),
        visibility: value === null ? "hidden" : "visible",
      });
    });
  }

  hover() {
    this.canvas.addEventListener("mousemove", (event) => {
      const frame = this.canvas.getBoundingClientRect();
      const { left, right } = this.area;
      const share = clamp((event.clientX - frame.left - left) / (right - left), 0, 1);
      const { axis, playhead } = this.context;
      let step = playhead.steps[0];
      for (const s of playhead.steps)
        if (Math.abs(axis.place(s) - share) < Math.abs(axis.place(step) - share)) step = s;
      const lines = this.series.map((s) => `${s.name} ${this.format(this.valueAt(s, step))}`);
      this.context.tooltip.show(
        event,
        `step ${grouped(step)}: ${lines.join(", ")}. Click to go there.`,
      );
    });
    this.canvas.addEventListener("mouseleave", () => this.context.tooltip.hide());
    this.canvas.addEventListener("click", (event) => {
      const frame = this.canvas.getBoundingClientRect();
      const { left, right } = this.area;
      const share = clamp((event.clientX - frame.left - left) / (right - left), 0, 1);
      const { axis, playhead } = this.context;
      let best = 0;
      playhead.steps.forEach((s, i) => {
        if (Math.abs(axis.place(s) - share) < Math.abs(axis.place(playhead.steps[best]) - share))
          best = i;
      });
      playhead.to(best);
    });
  }
}
