// @ts-check
// Attention patterns: a small map (from row to column) per layer and head.

import { LargePattern } from "./attention_large.js";
import { panel, setAttributes, svg } from "./elements.js";
import { headsInARow } from "./layout.js";
import { percent } from "./numbers.js";
import { Grid } from "./packed.js";

/** @import { Context } from "./context.js" */
/** @import { Question } from "./payload.js" */

const LEAST_CELL = 4; // pixels; of many heads the panel scrolls
const HEADS_APART = 4; // pixels between heads

export class Attention {
  /**
   * @param {Element} parent
   * @param {Context} context
   * @param {Question} asked
   * @param {number} height
   */
  constructor(parent, context, asked, height) {
    this.context = context;
    this.height = height;
    this.asked = asked;
    /** @type {{ box: SVGRectElement, at: number[] }[]} */
    this.cells = [];
    /** @type {{ group: SVGGElement, at: number[] }[]} */
    this.groups = [];
    this.pattern = new Grid(this.asked.attention);
    this.parts = panel(parent, "attention", "Attention", "click for names");
    this.canvas = svg("svg", { height }, this.parts.body);
    this.large = new LargePattern(context.root, this);
    context.playhead.follow((index) => this.draw(index));
  }

  /** @param {number} width */
  build(width) {
    const { palette, tooltip } = this.context;
    const [, layers, heads, n] = this.pattern.shape;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const left = 20,
      top = 14;
    const fit = headsInARow({ width: width - left, height: this.height, heads, layers, top });
    const size = Math.max(fit.size, LEAST_CELL * n),
      { across, lines } = fit,
      line = size + (lines > 1 ? top : HEADS_APART);
    const high = top + layers * lines * line,
      wide = left + across * (size + HEADS_APART);
    /** @param {number} h */
    const xOf = (h) => left + (h % across) * (size + HEADS_APART);
    /**
     * @param {number} l
     * @param {number} h
     */
    const yOf = (l, h) => top + ((layers - 1 - l) * lines + Math.floor(h / across)) * line;
    const room = { width: Math.max(width, wide), height: Math.max(this.height, high) };
    setAttributes(this.canvas, room);
    const order = lines > 1 ? "heads by block" : "rows: block; columns: head";
    setAttributes(this.parts.note, { text: `${order}; click for names` });
    this.cells = [];
    this.groups = [];
    const named = { class: "tick", fill: palette.grey(0.7) };
    for (let l = 0; l < layers; l++) {
      const layer = { x: left - 6, y: yOf(l, 0) + size / 2 + 4, "text-anchor": "end", text: l };
      svg("text", { ...named, ...layer }, this.canvas);
      for (let h = 0; h < heads; h++) {
        const group = svg("g", { class: "head pickable" }, this.canvas),
          [x, y] = [xOf(h), yOf(l, h)];
        if (lines > 1 || l === layers - 1) {
          const head = { x: x + size / 2, y: y - 4, "text-anchor": "middle", text: h };
          svg("text", { ...named, ...head }, this.canvas);
        }
        group.addEventListener("click", () => this.large.show([l, h]));
        this.groups.push({ group, at: [l, h] });
        tooltip.reach.add(group, () => `Block ${l}, head ${h}: Enter shows its pattern large.`);
        for (let q = 0; q < n; q++)
          for (let k = 0; k <= q; k++) {
            const place = { x: x + (k * size) / n, y: y + (q * size) / n };
            const cell = { ...place, width: size / n - 1, height: size / n - 1 };
            const box = svg("rect", cell, group);
            tooltip.hover(box, () => this.words(l, h, q, k));
            this.cells.push({ box, at: [l, h, q, k] });
          }
      }
    }
    this.large.mark();
    this.draw(this.context.playhead.index);
  }

  /**
   * @param {number} l
   * @param {number} h
   * @param {number} q The position that attends.
   * @param {number} k
   */
  words(l, h, q, k) {
    const [from, to] = [q, k].map((p) => this.asked.attends[p]);
    const share = this.pattern.at(this.context.playhead.index, l, h, q, k);
    const all = this.asked.written ? ", all its tokens together" : "";
    return `Block ${l}, head ${h}: “${from}” attends to “${to}” with ${percent(share)}${all}.`;
  }

  /** @param {number} index */
  draw(index) {
    for (const { box, at } of this.cells) {
      box.setAttribute(
        "fill",
        this.context.palette.shade("attention", 0.06 + 0.94 * (this.pattern.at(index, ...at) ?? 0)),
      );
    }
  }
}
