// @ts-check
// The first page: circuit, curves, maps and a sentence, all at one step.

import { Circuit, LAYER_HIGH } from "./circuit.js";
import { componentEdgeName } from "./circuit_words.js";
import { Curves } from "./curves.js";
import { Discovered, ROW_HIGH } from "./discovered.js";
import { highOn, html, setText } from "./elements.js";
import { Examples } from "./examples.js";
import { formationMaps } from "./formation_maps.js";
import { formationPanels } from "./formation_panels.js";
import { chosenSeries, shortcutLines, splitSeries, strongestState } from "./formation_series.js";
import { abreast, isStacked } from "./layout.js";
import { formationInWords } from "./words.js";

const LEAST_COLUMN = 26; // of a position in a map
const LEAST_MAP = 146; // of a whole map
const NOTE_HIGH = 17; // of the line below the heading of the circuit

/** @import { Chosen } from "./formation_series.js" */
/** @import { SplitData } from "./dataset.js" */
/** @import { Context } from "./context.js" */

export class Formation {
  /**
   * @param {Element} root
   * @param {Context} context
   */
  constructor(root, context) {
    this.context = context;
    this.data = context.data;
    this.picked = false; // whether a state or an edge was chosen by the reader
    const { data } = this;
    context.select = (chosen) => this.select(chosen);
    context.edgeName = (edge) =>
      data.discovered ? componentEdgeName(data, data.discovered, edge) : "";
    context.chosen = strongestState(data, context.split);
    this.sentence = html("p", { class: "sentence", "aria-live": "polite" }, root);
    const main = html("div", { class: "formation-main" }, root);
    const found = data.discovered;
    const needed = [LAYER_HIGH * data.layers, ROW_HIGH * (found?.rows.length ?? 0)];
    const usual = highOn(118) + highOn(116) + 112;
    const high = Math.max(usual, ...needed.map((rows) => rows + 106 + NOTE_HIGH));
    main.classList.toggle("deep", high > usual);
    this.circuit = new Circuit(main, context, high - NOTE_HIGH);
    this.discovered = found ? new Discovered(this.circuit, context, found) : null;
    const side = html("div", { class: "formation-side" }, main),
      small = { className: "small", height: highOn(116) };
    const more = (high - usual) / 2; // beside a deep circuit
    small.height += more;
    const wide = { className: "wide", height: highOn(118) + more };
    this.accuracy = new Curves(side, context, { ...wide, ...this.accuracySeries() });
    const loss = { title: "Loss per split", hint: "nats, log scale", scale: "log" };
    this.loss = new Curves(side, context, { ...small, ...loss, ...this.lossSeries() });
    this.state = new Curves(side, context, { ...small, ...this.stateSeries() });
    this.maps = html("div", { class: "maps" }, root);
    this.heatMaps = formationMaps(this, this.maps);
    this.about = html("p", { class: "about" }, root);
    this.furtherRow = html("div", { class: "further" }, root);
    this.further = this.makeFurther();
    this.drawer = new Examples(root, context, [this.accuracy.parts.box, this.state.parts.box]);
    context.playhead.follow((index) => this.draw(index));
  }

  /** @returns {SplitData | undefined} */
  get split() {
    return this.data.bySplit[this.context.split];
  }

  accuracySeries() {
    const { data } = this,
      { split } = this.context,
      references = shortcutLines(data, split),
      shortcuts = references.length ? `; shortcuts: on ${data.splitLabel(split)}` : "";
    return {
      title: "Accuracy per split",
      hint: `share right, bands 95%${shortcuts}`,
      series: [
        ...splitSeries(data, "accuracy", split),
        ...(this.split?.sliced ? [this.split.sliced] : []),
      ],
      references,
    };
  }

  lossSeries() {
    return { series: splitSeries(this.data, "loss", this.context.split) };
  }

  stateSeries() {
    return chosenSeries(this.data, this.context.split, this.context.chosen);
  }

  // One panel for each further measure that some split has.
  makeFurther() {
    const titles = Object.values(this.data.bySplit).flatMap((s) => s.further.map((p) => p.title));
    return [...new Set(titles)].map((title) => {
      const shown = { className: "small", height: highOn(116), ...this.furtherSeries(title) };
      return new Curves(this.furtherRow, this.context, shown);
    });
  }

  /** @param {string} title */
  furtherSeries(title) {
    const found = this.split?.further.find((panel) => panel.title === title);
    return found ?? { title, hint: "not measured for this split", series: [] };
  }

  /** @param {Chosen} chosen */
  select(chosen) {
    this.picked = true;
    this.context.chosen = chosen;
    this.state.replace(this.stateSeries());
    this.drawer.open(chosen);
    this.context.playhead.redraw();
  }

  // What the reader has chosen and listed stays when a run in training has grown.
  /** @param {Formation} before */
  goOnFrom({ picked, context, drawer }) {
    const { chosen } = context;
    const same = (/** @type {number} */ e) => context.edgeName(e) === this.context.edgeName(e);
    if (!picked || (chosen.edge !== undefined && !same(chosen.edge))) return;
    this.picked = true;
    this.context.chosen = chosen;
    this.state.replace(this.stateSeries());
    if (drawer.chosen) {
      this.drawer.open(drawer.chosen);
      this.drawer.list.scrollTop = drawer.list.scrollTop;
    }
    this.context.playhead.redraw();
  }

  splitChanged() {
    this.accuracy.replace(this.accuracySeries());
    this.loss.replace(this.lossSeries());
    this.state.replace(this.stateSeries());
    for (const panel of this.further) {
      panel.replace(this.furtherSeries(panel.parts.heading.textContent ?? ""));
    }
    this.drawer.refresh();
  }

  presented = () => formationPanels(this);

  /** @param {number} width */
  build(width) {
    this.context.root.classList.toggle("narrow", width < 1100);
    const gap = 10,
      pad = 18,
      stacked = isStacked(width);
    const left = stacked ? width : Math.round(width * 0.45),
      right = stacked ? width : width - left - gap;
    this.circuit.build(left - pad);
    if (this.discovered) this.discovered.build(left - pad);
    this.accuracy.build(right - pad);
    this.loss.build((stacked ? right : Math.floor((right - gap) / 2)) - pad);
    this.state.build((stacked ? right : Math.ceil((right - gap) / 2)) - pad);
    /** @param {number} n */
    const shared = (n) => Math.floor((width - gap * (n - 1)) / n) - pad;
    const least = Math.max(LEAST_MAP, LEAST_COLUMN * this.data.positions.length + 52);
    const n = abreast(this.heatMaps.length, { width, least, gap });
    this.maps.style.setProperty("--abreast", String(n));
    for (const map of this.heatMaps) map.build(shared(n));
    const third = Math.floor((width - 2 * gap) / 3),
      across = abreast(this.further.length || 1, { width, least: stacked ? width : third, gap });
    this.furtherRow.style.setProperty("--abreast", String(across));
    for (const panel of this.further) panel.build(shared(across));
    this.draw(this.context.playhead.index);
  }

  /** @param {number} index */
  draw(index) {
    setText(this.about, this.split?.about ?? "");
    const { split, playhead } = this.context;
    setText(this.sentence, formationInWords(this.data, split, index, playhead.step));
  }
}
