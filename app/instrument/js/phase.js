// A phase diagram: a setting upwards, training to the right, a colour for accuracy or strength.

import { html, panel, setAttributes, svg } from "./elements.js";
import { grouped, percent } from "./numbers.js";
import { Grid } from "./packed.js";
import { timeTicks } from "./ticks.js";

export class PhasePanel {
  constructor(parent, context, diagrams, height) {
    Object.assign(this, { context, diagrams, height });
    this.parts = panel(parent, "phase", "Phase diagram");
    this.setting = this.choice(
      "Setting",
      diagrams.map((d) => d.setting),
    );
    this.kind = this.choice("Shown", diagrams[0].kinds);
    this.legend = html("div", { class: "legend scale" }, this.parts.box);
    this.parts.box.insertBefore(this.legend, this.parts.body);
    this.canvas = svg("svg", { height }, this.parts.body);
    context.playhead.follow(() => this.draw());
  }

  choice(label, names) {
    const select = html("select", { "aria-label": label, title: label }, this.parts.head);
    names.forEach((name, value) =>
      html("option", { value, text: name.replace(/ \(.*/, "") }, select),
    );
    select.onchange = () => this.build(this.width);
    if (names.length === 1) select.disabled = true;
    return select;
  }

  build(width) {
    this.width = width;
    const { palette, axis, playhead, tooltip } = this.context;
    const diagram = this.diagrams[this.setting.value],
      kind = diagram.kinds[this.kind.value];
    const table = new Grid(diagram.tables[this.kind.value]);
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const left = 40,
      right = width - 10,
      top = 4,
      bottom = this.height - 18;
    this.x = (step) => left + (right - left) * axis.place(step);
    const places = playhead.steps.map(this.x);
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
        tooltip.on(
          cell,
          () =>
            `${diagram.setting} ${level}, ${this.context.data.unit} ${grouped(step)}: ${kind} ${value === null ? "not measured" : percent(value)} (mean over ${runs}). Click to go there.`,
        );
        cell.addEventListener("click", () => playhead.to(c));
      });
    });
    timeTicks(this.canvas, axis, palette, this.x, bottom + 13);
    this.cursor = svg(
      "line",
      { y1: top, y2: bottom, stroke: palette.of("cursor"), "stroke-width": 1.5, class: "silent" },
      this.canvas,
    );
    this.buildScale(palette, diagram);
    this.draw();
  }

  buildScale(palette, diagram) {
    this.legend.replaceChildren();
    html("span", { text: `upwards: ${diagram.setting} · 0%` }, this.legend);
    const bar = html("span", { class: "ramp" }, this.legend);
    bar.style.background = `linear-gradient(90deg, ${palette.shade("id_test", 0.04)}, ${palette.shade("id_test", 1)})`;
    html("span", { text: "100%" }, this.legend);
  }

  draw() {
    if (!this.cursor) return;
    const at = this.x(this.context.playhead.step).toFixed(1);
    setAttributes(this.cursor, { x1: at, x2: at });
  }
}
