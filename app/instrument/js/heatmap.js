// A map of layers (upwards) by positions whose cells follow the step.

import { panel, setAttributes, svg } from "./elements.js";
import { shortened } from "./names.js";
import { clamp, two } from "./numbers.js";

export class HeatMap {
  // read(index, layer, position) -> share or null; words(index, layer, position) -> hover text.
  // label(index, layer, position) -> short text in the cell; columns and rows are their names.
  constructor(
    parent,
    context,
    {
      title,
      hint,
      className = "",
      height,
      colour,
      columns,
      rows,
      read,
      words,
      label,
      pick,
      outlined,
      range = [0, 1],
    },
  ) {
    Object.assign(this, {
      context,
      height,
      colour,
      columns,
      rows,
      read,
      words,
      pick,
      outlined,
      range,
    });
    this.label =
      label ||
      ((...at) => {
        const v = read(...at);
        return v === null ? "" : two(v).replace(/^0/, "");
      });
    this.parts = panel(parent, `heatmap ${className}`, title, hint);
    this.canvas = svg("svg", { height }, this.parts.body);
    this.context.playhead.follow((index) => this.draw(index));
  }

  build(width) {
    const { palette, tooltip } = this.context;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const left = this.rowSpace ?? 22,
      bottom = 18;
    const cellWidth = (width - left - 2) / this.columns.length;
    const cellHeight = (this.height - bottom - 2) / this.rows.length;
    this.cells = [];
    this.rows.forEach((row, r) => {
      const y = 1 + (this.rows.length - 1 - r) * cellHeight;
      svg(
        "text",
        {
          x: left - 5,
          y: y + cellHeight / 2 + 4,
          "text-anchor": "end",
          class: "tick",
          fill: palette.grey(0.75),
          text: row,
        },
        this.canvas,
      );
      this.columns.forEach((_, c) => {
        const cell = svg("g", { class: this.pick ? "cell pickable" : "cell" }, this.canvas);
        const x = left + c * cellWidth;
        const box = svg(
          "rect",
          { x: x + 1, y: y + 1, width: cellWidth - 2, height: cellHeight - 2, rx: 2 },
          cell,
        );
        const text = svg(
          "text",
          {
            x: x + cellWidth / 2,
            y: y + cellHeight / 2 + 4,
            "text-anchor": "middle",
            class: "number",
          },
          cell,
        );
        tooltip.on(cell, () => this.words(this.context.playhead.index, r, c));
        if (this.pick) cell.addEventListener("click", () => this.pick(r, c));
        this.cells.push({ box, text, r, c });
      });
    });
    this.columns.forEach((column, c) => {
      svg(
        "text",
        {
          x: left + (c + 0.5) * cellWidth,
          y: this.height - 4,
          "text-anchor": "middle",
          class: "tick",
          fill: palette.grey(0.85),
          text: shortened(column, cellWidth - 6, "11px"),
        },
        this.canvas,
      );
    });
    this.draw(this.context.playhead.index);
  }

  draw(index) {
    if (!this.cells) return;
    const { palette } = this.context;
    const [low, high] = this.range;
    for (const { box, text, r, c } of this.cells) {
      const value = this.read(index, r, c);
      const share = value === null ? 0 : clamp((value - low) / (high - low), 0, 1);
      const colour = typeof this.colour === "function" ? this.colour(index, r, c) : this.colour;
      box.setAttribute(
        "fill",
        value === null ? palette.grey(0.06) : palette.shade(colour, 0.06 + 0.94 * share),
      );
      text.setAttribute("fill", palette.inkOn(colour, 0.06 + 0.94 * share));
      text.textContent = this.label(index, r, c);
      if (this.outlined)
        setAttributes(box, {
          stroke: this.outlined(r, c) ? palette.grey(1) : "none",
          "stroke-width": 3,
        });
    }
  }
}
