// @ts-check
// One attention pattern at reading size, with the names of the tokens and the share in each cell.

import { html, setAttributes, svg } from "./elements.js";
import { shortened, widthOf } from "./names.js";
import { short } from "./numbers.js";

/** @import { Attention } from "./attention.js" */

const LARGE_CELL = { wide: 104, high: 44 };
const LONGEST_NAME = 150; // pixels of a token's name beside its row

export class LargePattern {
  /**
   * @param {HTMLElement} root
   * @param {Attention} attention
   */
  constructor(root, attention) {
    this.attention = attention;
    /** @type {number[] | null} */
    this.head = null;
    this.box = html("section", { class: "drawer large-pattern" }, root);
    const bar = html("div", { class: "panel-head" }, this.box);
    this.title = html("h3", {}, bar);
    const close = { class: "close", text: "✕", "aria-label": "Close the pattern" };
    html("button", close, bar).onclick = () => this.show(null);
    this.body = html("div", { class: "large-body" }, this.box);
    this.canvas = svg("svg", {}, this.body);
    attention.context.playhead.follow((index) => this.draw(index));
  }

  /** @param {number[] | null} head Layer and head; null closes it. */
  show(head) {
    this.head = head;
    this.box.classList.toggle("open", head !== null);
    this.mark();
    this.draw(this.attention.context.playhead.index);
  }

  // Which of the small patterns is the large one.
  mark() {
    for (const { group, at } of this.attention.groups)
      group.classList.toggle("open", String(at) === String(this.head));
  }

  /** @param {number} index */
  draw(index) {
    if (!this.head) return;
    const { context, asked, pattern } = this.attention,
      { palette, tooltip } = context,
      [l, h] = this.head;
    const n = pattern.shape[3],
      names = asked.attends.slice(0, n);
    const left = 10 + Math.min(LONGEST_NAME, Math.max(...names.map((one) => widthOf(one, "13px"))));
    this.title.textContent = `Block ${l}, head ${h}: rows attend to columns`;
    this.canvas.replaceChildren();
    const { wide, high } = LARGE_CELL;
    setAttributes(this.canvas, { width: left + n * wide, height: (n + 1) * high - 12 });
    names.forEach((name, i) => {
      const ink = { class: "large-name", fill: palette.grey(0.95) };
      const row = { x: left - 8, y: (i + 0.5) * high + 4, "text-anchor": "end" };
      svg("text", { ...ink, ...row, text: shortened(name, left - 8, "13px") }, this.canvas);
      const column = { x: left + (i + 0.5) * wide, y: n * high + 18, "text-anchor": "middle" };
      svg("text", { ...ink, ...column, text: shortened(name, wide - 8, "13px") }, this.canvas);
      for (let k = 0; k <= i; k++) {
        const value = pattern.at(index, l, h, i, k),
          share = 0.06 + 0.94 * (value ?? 0);
        const at = { x: left + k * wide + 1, y: i * high + 1, rx: 3 };
        const size = { width: wide - 2, height: high - 2 };
        const cell = svg("g", {}, this.canvas);
        svg("rect", { ...at, ...size, fill: palette.shade("attention", share) }, cell);
        const text = { x: at.x + wide / 2, y: at.y + high / 2 + 4, "text-anchor": "middle" };
        const said = { class: "number strong", fill: palette.inkOn("attention", share) };
        svg("text", { ...text, ...said, text: short(value) }, cell);
        tooltip.on(cell, () => this.attention.words(l, h, i, k));
      }
    });
  }
}
