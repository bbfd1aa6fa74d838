// @ts-check
// A phase diagram: a setting upwards, training to the right, a colour for accuracy or strength.

import { html, panel, setAttributes, svg } from "./elements.js";
import { grouped, percent } from "./numbers.js";
import { Grid } from "./packed.js";
import { timeTicks } from "./ticks.js";

/** @import { Context } from "./context.js" */
/** @import { Palette } from "./colours.js" */
/** @import { Diagram } from "./payload.js" */

export class PhasePanel {
  /**
   * @param {Element} parent
   * @param {Context} context
   * @param {Diagram[]} diagrams
   * @param {number} height
   */
  constructor(parent, context, diagrams, height) {
    this.context = context;
    this.diagrams = diagrams;
    this.height = height;
    this.width = 0;
    this.cursor = svg("line");
    this.left = 0;
    this.inner = 0;
    this.parts = panel(parent, "phase", "Phase diagram");
    this.setting = this.choice(
      "Setting",
      diagrams.map(({ setting, held }) => setting + (held ? `, at ${held}` : "")),
    );
    this.kind = this.choice("Shown", diagrams[0].kinds);
    this.legend = html("div", { class: "legend scale" }, this.parts.box);
    this.parts.box.insertBefore(this.legend, this.parts.body);
    this.canvas = svg("svg", { height }, this.parts.body);
    context.playhead.follow(() => this.draw());
  }

  /**
   * @param {string} label
   * @param {string[]} names
   */
  choice(label, names) {
    const select = html("select", { "aria-label": label, title: label }, this.parts.head);
    names.forEach((name, value) =>
      html("option", { value, text: name.replace(/ \(.*/, "") }, select),
    );
    select.onchange = () => this.build(this.width);
    if (names.length === 1) select.disabled = true;
    return select;
  }

  /** @param {number} width */
  build(width) {
    this.width = width;
    const { palette, axis, playhead, tooltip } = this.context;
    const diagram = this.diagrams[Number(this.setting.value)],
      kind = diagram.kinds[Number(this.kind.value)];
    const table = new Grid(diagram.tables[Number(this.kind.value)]);
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const left = 40,
      right = width - 10,
      top = 4,
      bottom = this.height - 18;
    this.left = left;
    this.inner = right - left;
    const places = playhead.steps.map((step) => this.x(step));
    const edges = [left, ...places.slice(1).map((at, i) => (at + places[i]) / 2), right];
    const high = (bottom - top) / diagram.levels.length;
    diagram.levels.forEach((level, r) => {
      const y = bottom - (r + 1) * high;
      svg(
        "text",
        {
          x: left - 5,
          y: y + high / 2 + 4,
          "text-anchor": "end",
          class: "tick",
          fill: palette.grey(0.8),
          text: level,
        },
        this.canvas,
      );
      playhead.steps.forEach((step, c) => {
        const value = table.at(r, c);
        const cell = svg(
          "rect",
          {
            class: "pickable",
            x: edges[c],
            y: y + 0.5,
            width: Math.max(0.5, edges[c + 1] - edges[c] + 0.3),
            height: high - 1,
            fill:
              value === null ? palette.grey(0.06) : palette.shade("id_test", 0.04 + 0.96 * value),
          },
          this.canvas,
        );
        const runs = `${diagram.n_runs[r]} run${diagram.n_runs[r] > 1 ? "s" : ""}`;
        const share = value === null ? "not measured" : percent(value);
        const held = diagram.held && ` (${diagram.held})`;
        const at = `${diagram.setting} ${level}${held}, ${this.context.data.unit} ${grouped(step)}`;
        tooltip.on(cell, () => `${at}: ${kind} ${share} (mean over ${runs}). Click to go there.`);
        cell.addEventListener("click", () => playhead.to(c));
      });
    });
    timeTicks(this.canvas, axis, palette, (step) => this.x(step), bottom + 13, 50);
    this.cursor = svg(
      "line",
      { y1: top, y2: bottom, stroke: palette.of("cursor"), "stroke-width": 1.5, class: "silent" },
      this.canvas,
    );
    this.buildScale(palette, diagram);
    this.draw();
  }

  /**
   * @param {Palette} palette
   * @param {Diagram} diagram
   */
  buildScale(palette, diagram) {
    this.legend.replaceChildren();
    html("span", { text: `upwards: ${diagram.setting} · 0%` }, this.legend);
    const bar = html("span", { class: "ramp" }, this.legend);
    const [from, to] = [0.04, 1].map((share) => palette.shade("id_test", share));
    bar.style.background = `linear-gradient(90deg, ${from}, ${to})`;
    html("span", { text: "100%" }, this.legend);
  }

  /** @param {number} step */
  x(step) {
    return this.left + this.inner * this.context.axis.place(step);
  }

  draw() {
    if (!this.width) return;
    const at = this.x(this.context.playhead.step).toFixed(1);
    setAttributes(this.cursor, { x1: at, x2: at });
  }
}
