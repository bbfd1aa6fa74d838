// @ts-check
// The patching lab: a grid whose cells are chosen by clicking, and the answers before and after.

import { highOn, html, panel, setAttributes, svg } from "./elements.js";
import { HeatMap } from "./heatmap.js";
import { shortened } from "./names.js";
import { percent, short, two } from "./numbers.js";
import { Grid } from "./packed.js";

/** @import { Context } from "./context.js" */
/** @import { Lab, LabAnswer } from "./payload.js" */

const LAB_PAD = 18; // pixels on both sides inside a panel

export class LabView {
  /**
   * @param {Element} root
   * @param {Context} context
   * @param {Lab} lab
   */
  constructor(root, context, lab) {
    this.context = context;
    this.lab = lab;
    this.effect = new Grid(this.lab.effect);
    const main = html("div", { class: "lab-row" }, root);
    this.row = main;
    const chosen = new Set(this.lab.cells.map(([l, p]) => `${l},${p}`));
    this.grid = new HeatMap(main, context, {
      title: lab.measured,
      hint: `with the donor's ${lab.component} written at one cell; click to choose cells`,
      height: highOn(300),
      colour: (_, l, p) => ((this.effect.at(l, p) ?? 0) < 0 ? "negative" : "swap"),
      rows: this.lab.rows,
      columns: this.lab.positions,
      read: (_, l, p) => shareOf(this.effect.at(l, p), lab.limits),
      label: (_, l, p) => short(this.effect.at(l, p)),
      words: (_, l, p) =>
        `With only this cell written (layer ${l}, ${lab.positions[p]}), ${lab.measured} is ` +
        `${two(this.effect.at(l, p))} (one question; ${lab.about}). ` +
        `Click to ${chosen.has(`${l},${p}`) ? "leave it out" : "write it"}.`,
      outlined: (l, p) => chosen.has(`${l},${p}`),
      pick: (l, p) => {
        const cell = `${l},${p}`;
        if (!chosen.delete(cell)) chosen.add(cell);
        this.grid.draw(0);
        context.send(
          "pick",
          [...chosen].map((text) => text.split(",").map(Number)),
        );
      },
    });
    this.before = new LabAnswers(main, context, "Before", this.lab.before);
    this.after = new LabAnswers(main, context, "After", this.lab.after);
  }

  splitChanged() {}

  // Each can be presented alone, the first is all of them.
  presented() {
    const { row, grid, before, after } = this;
    const build = (/** @type {number} */ width) => this.build(width + LAB_PAD);
    return { all: { parts: { box: row }, build }, map: grid, before, after };
  }

  /** @param {number} width */
  build(width) {
    const gap = 10,
      pad = LAB_PAD;
    const widths = [0.4, 0.3, 0.3].map((share) => Math.floor((width - 2 * gap) * share));
    [this.grid, this.before, this.after].forEach((part, i) => {
      part.parts.box.style.width = `${widths[i]}px`;
      part.build(widths[i] - pad);
    });
  }
}

/**
 * Where a value lies on the scale of colours, from 0 to 1.
 * @param {number | null} value
 * @param {number[]} limits
 */
function shareOf(value, [low, high]) {
  if (value === null) return null;
  return low < 0 ? Math.abs(value) / high : (value - low) / (high - low);
}

class LabAnswers {
  /**
   * @param {Element} parent
   * @param {Context} context
   * @param {string} title
   * @param {LabAnswer[]} rows
   */
  constructor(parent, context, title, rows) {
    this.context = context;
    this.rows = rows;
    this.parts = panel(parent, "answers", title, "");
    this.height = highOn(300);
    this.canvas = svg("svg", { height: this.height }, this.parts.body);
  }

  /** @param {number} width */
  build(width) {
    const { palette, tooltip } = this.context;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const high = this.height / 7,
      left = Math.round(width * 0.46),
      room = width - left - 46;
    this.rows.forEach((row, i) => {
      const y = i * high,
        size = Math.max(1, room * row.share);
      const name = svg(
        "text",
        {
          x: left - 8,
          y: y + high / 2 + 4,
          "text-anchor": "end",
          class: "number strong",
          fill: palette.grey(1),
          text: (row.mark ? `${row.mark} ` : "") + shortened(row.name, left - 30),
        },
        this.canvas,
      );
      svg(
        "rect",
        { x: left, y: y + 6, height: high - 12, width: size, rx: 3, fill: palette.of(row.kind) },
        this.canvas,
      );
      svg(
        "text",
        {
          x: left + size + 5,
          y: y + high / 2 + 4,
          class: "number",
          fill: palette.grey(0.9),
          text: percent(row.share),
        },
        this.canvas,
      );
      tooltip.on(name, () => `${row.name}: ${(100 * row.share).toFixed(2)}%`);
    });
  }
}
