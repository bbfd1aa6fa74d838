// The most likely answers at a step, as bars.

import { panel, setAttributes, svg } from "./elements.js";
import { shortened } from "./names.js";
import { percent } from "./numbers.js";
import { Grid } from "./packed.js";

// The most likely answers at this step as bars; rows stay where they are.
export class Answers {
  constructor(parent, context, height) {
    Object.assign(this, { context, height, asked: context.data.question });
    this.parts = panel(parent, "answers", "Answers at this step", "");
    this.canvas = svg("svg", { height }, this.parts.body);
    context.playhead.follow((index) => this.draw(index));
  }

  build(width) {
    const { palette } = this.context;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    this.share = new Grid(this.asked.top.share);
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
    this.draw(this.context.playhead.index);
  }

  draw(index) {
    if (!this.rows) return;
    const { palette } = this.context;
    this.rows.forEach((row, i) => {
      const token = this.asked.top.token[index][i],
        share = this.share.at(index, i);
      const right = token === this.asked.answer;
      const size = Math.max(1, this.room * share);
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
  }
}
