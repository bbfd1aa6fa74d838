// @ts-check
// The patching lab: a grid whose cells are chosen by clicking, and the answers before and after.

import { highOn, html, panel, setAttributes, svg } from "./elements.js";
import { HeatMap } from "./heatmap.js";
import { letDrag } from "./lab_drag.js";
import { isStacked } from "./layout.js";
import { shortened } from "./names.js";
import { percent, short, two } from "./numbers.js";
import { Grid } from "./packed.js";
import { drawSentence } from "./sentence.js";

/** @import { Context } from "./context.js" */
/** @import { Lab, LabAnswer } from "./payload.js" */

const LAB_PAD = 18; // pixels on both sides inside a panel
const FOUR_ABREAST = 1150; // pixels of all panels abreast, or names would be cut

export class LabView {
  /**
   * @param {Element} root
   * @param {Context} context
   * @param {Lab} lab
   */
  constructor(root, context, lab) {
    this.context = context;
    this.lab = lab;
    this.nameWidth = 0;
    this.effect = new Grid(this.lab.effect);
    if (lab.sentence) drawSentence(root, context, lab.sentence, "Question");
    if (lab.donor_sentence) drawSentence(root, context, lab.donor_sentence, "Donor", false);
    html("p", { class: "sentence", text: lab.said }, root);
    const main = html("div", { class: "lab-row" }, root);
    this.row = main;
    const chosen = new Set(this.lab.cells.map(([l, p]) => `${l},${p}`));
    /**
     * @param {number} l
     * @param {number} p
     */
    const toggle = (l, p) => {
      const cell = `${l},${p}`;
      if (!chosen.delete(cell)) chosen.add(cell);
      this.grid.draw(0);
      this.donor.draw(0);
      const cells = [...chosen].map((text) => text.split(",").map(Number));
      context.send("pick", cells);
    };
    /**
     * @param {number} l
     * @param {number} p
     */
    this.write = (l, p) => {
      if (!chosen.has(`${l},${p}`)) toggle(l, p);
    };
    const share = new Grid(lab.donor_share);
    this.donor = new HeatMap(main, context, {
      title: "Donor's states",
      hint: `${lab.donor_names.length ? "logit lens; " : ""}drag to write`,
      height: highOn(300),
      colour: "neutral",
      rows: lab.rows,
      rowTitle: "layer",
      columns: lab.donor_tokens,
      order: lab.order,
      read: (_, l, p) => share.at(l, p) ?? 0,
      label: (_, l, p) => shortened(lab.donor_names[l]?.[p] ?? "●", this.nameWidth),
      words: (_, l, p) => donorInWords(lab, share, l, p, chosen.has(`${l},${p}`)),
      outlined: (l, p) => chosen.has(`${l},${p}`),
      pick: toggle,
    });
    this.grid = new HeatMap(main, context, {
      title: lab.measured,
      hint: "with one cell written; click to choose",
      height: highOn(300),
      colour: (_, l, p) => ((this.effect.at(l, p) ?? 0) < 0 ? "negative" : "swap"),
      rows: this.lab.rows,
      rowTitle: "layer",
      columns: this.lab.positions,
      order: lab.order,
      read: (_, l, p) => shareOf(this.effect.at(l, p), lab.limits),
      label: (_, l, p) => short(this.effect.at(l, p)),
      words: (_, l, p) =>
        `With only this cell written (layer ${l}, ${lab.positions[p]}), ${lab.measured} is ` +
        `${two(this.effect.at(l, p))} (one question; ${lab.about}). ` +
        `Click to ${chosen.has(`${l},${p}`) ? "leave it out" : "write it"}.`,
      outlined: (l, p) => chosen.has(`${l},${p}`),
      pick: toggle,
    });
    const whole = lab.sentence ? ", whole names" : "";
    this.before = new LabAnswers(main, context, `Before${whole}`, this.lab.before);
    this.after = new LabAnswers(main, context, `After${whole}`, this.lab.after);
  }

  splitChanged() {}

  // Each can be presented alone, the first is all of them.
  presented() {
    const { row, donor, grid, before, after } = this,
      least = window.innerWidth < 1100 ? FOUR_ABREAST / 2 : FOUR_ABREAST;
    const build = (/** @type {number} */ width) => this.build(width + LAB_PAD);
    return { all: { parts: { box: row }, build, least }, donor, map: grid, before, after };
  }

  /** @param {number} width */
  build(width) {
    const gap = 10,
      pad = LAB_PAD;
    const { present } = this.context; // it is enlarged: what counts is the window
    const narrow = (present ? window.innerWidth : width) < 1100; // two rows of two
    const stacked = isStacked(width) && !present; // one below the other
    const even = (/** @type {number} */ share) => [share, share, share, share];
    const shares = stacked ? even(1) : narrow ? even(0.5) : [0.25, 0.31, 0.22, 0.22];
    const room = width - (stacked ? 0 : narrow ? 1 : 3) * gap;
    this.row.style.flexWrap = narrow ? "wrap" : "nowrap";
    this.nameWidth = (room * shares[0]) / this.lab.positions.length - 24;
    [this.donor, this.grid, this.before, this.after].forEach((part, i) => {
      const each = Math.floor(room * shares[i]);
      part.parts.box.style.width = `${each}px`;
      part.build(each - pad);
    });
    letDrag(this.context, this.donor, this.grid, this.write);
  }
}

/**
 * @param {Lab} lab
 * @param {Grid} share
 * @param {number} l
 * @param {number} p
 * @param {boolean} written
 */
function donorInWords(lab, share, l, p, written) {
  const name = lab.donor_names[l]?.[p];
  const says = name ? ` The logit lens reads ${name} in it (${percent(share.at(l, p))}).` : "";
  return (
    `The donor's ${lab.component} at layer ${l}, ${lab.positions[p]}.${says} ` +
    (written ? "It is written; click to leave it out." : "Drag it to the question, or click.")
  );
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
      const line = svg("g", {}, this.canvas);
      svg("rect", { y, width, height: high, fill: "transparent" }, line);
      svg(
        "text",
        {
          x: left - 8,
          y: y + high / 2 + 4,
          "text-anchor": "end",
          class: "number strong",
          fill: palette.grey(1),
          text: (row.mark ? `${row.mark} ` : "") + shortened(row.name, left - 30),
        },
        line,
      );
      svg(
        "rect",
        { x: left, y: y + 6, height: high - 12, width: size, rx: 3, fill: palette.of(row.kind) },
        line,
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
        line,
      );
      tooltip.on(line, () => `${row.name}: ${(100 * row.share).toFixed(2)}%`);
    });
  }
}
