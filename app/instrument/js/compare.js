// @ts-check
// Several runs on one timeline: by step, or by how far ID accuracy has come.

import { shareOrEnd } from "./curve_words.js";
import { Curves } from "./curves.js";
import { html } from "./elements.js";
import { isStacked } from "./layout.js";
import { clamp, grouped } from "./numbers.js";
import { PhasePanel } from "./phase.js";

/** @import { Context } from "./context.js" */
/** @import { Compared } from "./payload.js" */

export class CompareView {
  /**
   * @param {Element} root
   * @param {Context} context
   * @param {Compared} compared
   */
  constructor(root, context, compared) {
    this.context = context;
    this.compared = compared;
    this.sentence = html("p", { class: "sentence one", "aria-live": "polite" }, root);
    this.legend = html("div", { class: "legend shared" }, root);
    const grid = html("div", { class: "compare-grid" }, root);
    // Two rows fit 800 pixels; a higher window (a projector) is made use of.
    const height = Math.round(clamp((window.innerHeight - 420) / 2 - 50, 128, 260));
    this.panels = this.compared.panels.map(
      (panelData) =>
        new Curves(grid, context, {
          title: panelData.title,
          hint: panelData.hint,
          height,
          className: "bare",
          names: false,
          exact: true,
          unit: panelData.unit,
          series: panelData.series,
        }),
    );
    const { phases } = compared;
    this.phase = phases.length ? new PhasePanel(grid, context, phases, height) : null;
    context.playhead.follow(() => this.draw());
  }

  splitChanged() {}

  /** @param {number} width */
  build(width) {
    this.legend.replaceChildren();
    for (const s of this.compared.panels[0].series) {
      const item = html("span", { class: "legend-item" }, this.legend);
      html("span", { class: "swatch" }, item).style.background = this.context.palette.of(s.colour);
      html("span", { text: s.name }, item);
    }
    const each = (isStacked(width) ? width : Math.floor((width - 20) / 3)) - 18;
    for (const part of this.panels) part.build(each);
    this.phase?.build(each);
    this.draw();
  }

  draw() {
    const first = this.panels[0];
    const place = this.context.playhead.step;
    const named = first.series.map((s) => shareOrEnd(s, place)).join(", ");
    this.sentence.textContent =
      this.compared.aligned === "accuracy"
        ? `Where ID accuracy has first reached ${place}%, trained questions are right: ${named}.`
        : `At step ${grouped(place)} unseen ID questions are right: ${named}.`;
  }
}
