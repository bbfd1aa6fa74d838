// @ts-check
// The most likely answers at a step, as bars.

import { panel, setAttributes, svg } from "./elements.js";
import { shortened } from "./names.js";
import { percent } from "./numbers.js";
import { Grid } from "./packed.js";

/** @import { Context } from "./context.js" */
/** @import { Question } from "./payload.js" */

export class Answers {
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
    this.share = new Grid(asked.top.share);
    this.left = 0;
    this.room = 0;
    /** @type {{ name: SVGElement, bar: SVGElement, value: SVGElement }[]} */
    this.rows = [];
    this.nothing = svg("text");
    const hint = asked.written ? "whole names" : "";
    this.parts = panel(parent, "answers", "Answers at this step", hint);
    this.canvas = svg("svg", { height }, this.parts.body);
    context.playhead.follow((index) => this.draw(index));
  }

  /** @param {number} width */
  build(width) {
    const { palette } = this.context;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const n = this.share.shape[1],
      high = this.height / n;
    this.left = Math.round(width * 0.42);
    this.room = width - this.left - 46;
    this.rows = Array.from({ length: n }, (_, i) => {
      const y = i * high;
      return {
        name: svg(
          "text",
          {
            x: this.left - 8,
            y: y + high / 2 + 4,
            "text-anchor": "end",
            class: "number strong",
            fill: palette.grey(1),
          },
          this.canvas,
        ),
        bar: svg("rect", { x: this.left, y: y + 4, height: high - 8, rx: 3 }, this.canvas),
        value: svg(
          "text",
          { y: y + high / 2 + 4, class: "number", fill: palette.grey(0.9) },
          this.canvas,
        ),
      };
    });
    const said = { x: width / 2, y: this.height / 2, "text-anchor": "middle", class: "strong" };
    this.nothing = svg("text", { ...said, fill: palette.grey(0.9) }, this.canvas);
    this.draw(this.context.playhead.index);
  }

  /** @param {number} index */
  draw(index) {
    const { palette } = this.context,
      { asked } = this;
    this.rows.forEach((row, i) => {
      const token = this.asked.top.token[index][i],
        share = this.share.at(index, i) ?? 0;
      const right = token === this.asked.answer;
      const size = Math.max(1, this.room * share);
      const told = !asked.written || share > 0; // only likely whole names are told apart
      for (const part of Object.values(row)) setAttributes(part, { display: told ? null : "none" });
      row.name.textContent =
        (right ? "✓ " : "") + shortened(this.asked.names[token] ?? "", this.left - 24);
      setAttributes(row.bar, {
        width: size.toFixed(1),
        fill: palette.of(
          right ? "answer" : token === this.asked.watched[0]?.token ? "bridge" : "baseline",
        ),
      });
      setAttributes(row.value, { x: (this.left + size + 5).toFixed(1), text: percent(share) });
    });
    const none = asked.written && !this.share.at(index, 0);
    setAttributes(this.nothing, { text: none ? "no name has 0.1% or more" : "" });
  }
}
