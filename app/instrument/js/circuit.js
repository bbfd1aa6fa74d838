// @ts-check
// The circuit: states at layer x position, edges as wide as the answer's dependence on them.
//
// An upright edge S[l,p] -> S[l+1,p] is as wide as the causal effect of S[l+1,p]: how much of the
// answer still runs through position p. A slanted edge S[l,p] -> S[l+1,p+1] is as wide as the
// effect that position p lost in block l+1, which a later position has taken over (for the last
// but one position that can only be the last; for earlier ones the next is drawn). Where the
// difference is negative the edge is dashed.

import { edgeInWords, stateInWords, widthOfEdge } from "./circuit_words.js";
import { panel, setAttributes, svg } from "./elements.js";
import { hatching } from "./hatch.js";
import { gridPlaces, roomFor } from "./layout.js";
import { namesThatFit, widthOf } from "./names.js";
import { short } from "./numbers.js";
import { gridNames } from "./ticks.js";

/** @import { Context } from "./context.js" */
/** @import { SplitData } from "./dataset.js" */
/** @import { StateOrEdge } from "./circuit_words.js" */

/** @typedef {StateOrEdge & { spread: SVGLineElement, line: SVGLineElement }} DrawnEdge */
/** @typedef {{ l: number, p: number, disc: SVGCircleElement, halo: SVGCircleElement,
 *   text: SVGTextElement }} DrawnState */

const MARGIN = { left: 92, right: 66, top: 62, bottom: 40 };
const STATES_APART = 3.4; // radii between columns, at least
export const LAYER_HIGH = 34; // pixels between layers
const HINTS = ["click for examples; hatched: cannot reach the answer", "click for examples"];

export class Circuit {
  /**
   * @param {Element} parent
   * @param {Context} context
   * @param {number} height
   */
  constructor(parent, context, height) {
    this.context = context;
    this.height = height;
    this.data = context.data;
    this.radius = 0;
    /** @type {DrawnEdge[]} */
    this.edges = [];
    /** @type {DrawnState[]} */
    this.nodes = [];
    this.parts = panel(parent, "circuit", "Circuit", HINTS[0]);
    this.canvas = svg("svg", { height }, this.parts.body);
    this.answerEdge = svg("line");
    this.hatch = "none";
    this.context.playhead.follow((index) => this.draw(index));
  }

  get split() {
    return this.data.bySplit[this.context.split];
  }

  /** @param {number} panelWidth */
  build(panelWidth) {
    const { palette } = this.context,
      { height, data } = this,
      { layers, positions } = data;
    this.radius = Math.min(19, (height - MARGIN.top - MARGIN.bottom) / (layers * 2.6));
    const width = roomFor(panelWidth, MARGIN, positions.length, STATES_APART * this.radius);
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const { note } = this.parts;
    note.textContent = HINTS[0];
    if (note.scrollWidth > note.clientWidth + 1) note.textContent = HINTS[1]; // not cut
    const last = positions.length - 1;
    const places = gridPlaces({
      width,
      height,
      columns: positions.length,
      rows: layers,
      margin: MARGIN,
    });
    const rows = Array.from({ length: layers }, (_, l) => blocksPassed(l));
    const columns = namesThatFit(positions, places.x(1) - places.x(0));
    gridNames(this.canvas, places, { rows, columns, height, palette });
    this.edges = [];
    this.nodes = [];
    this.hatch = hatching(this.canvas, palette);
    const under = svg("g", {}, this.canvas);
    for (let l = 0; l < layers; l++) {
      for (let p = 0; p <= last; p++) {
        const [x1, y1, y2] = [places.x(p), places.y(l), places.y(l + 1)];
        if (l < layers - 1) this.addEdge(under, "through", l, p, { x1, y1, x2: x1, y2 });
        if (l < layers - 1 && p < last) {
          const taken = l === layers - 2 ? last : p + 1; // after the last block only one is read
          this.addEdge(under, "moved", l, p, { x1, y1, x2: places.x(taken), y2 });
        }
        this.addNode(l, p, x1, y1);
      }
    }
    const at = places.x(last);
    const ends = { x1: at, x2: at, y1: places.y(layers - 1) - this.radius - 4, y2: 19 };
    this.answerEdge = svg("line", { ...ends, stroke: palette.grey(0.55) }, this.canvas);
    this.draw(this.context.playhead.index);
  }

  /**
   * @param {Element} parent
   * @param {string} kind
   * @param {number} l
   * @param {number} p
   * @param {Record<string, number>} ends
   */
  addEdge(parent, kind, l, p, ends) {
    const where = { "data-kind": kind, "data-layer": l, "data-position": p };
    const group = svg("g", { class: "edge pickable", ...where }, parent);
    const spread = svg("line", { ...ends, "stroke-linecap": "round", opacity: 0.22 }, group);
    const line = svg("line", { ...ends, "stroke-linecap": "round" }, group);
    svg("line", { ...ends, stroke: "transparent", "stroke-width": 12 }, group);
    const edge = { kind, l, p, spread, line };
    this.context.tooltip.on(group, () =>
      edgeInWords(this.data, this.split, edge, this.context.playhead.index),
    );
    group.addEventListener("click", () => this.context.select({ kind, l, p }));
    this.edges.push(edge);
  }

  /**
   * @param {number} l
   * @param {number} p
   * @param {number} x
   * @param {number} y
   */
  addNode(l, p, x, y) {
    const where = { "data-layer": l, "data-position": p, transform: `translate(${x},${y})` };
    const node = svg("g", { class: "node pickable", ...where }, this.canvas);
    const halo = svg("circle", { r: this.radius + 4, fill: "none", "stroke-width": 2 }, node);
    const disc = svg("circle", { r: this.radius, "stroke-width": 1.5 }, node);
    if (!this.data.canReach(l, p)) svg("circle", { r: this.radius, fill: this.hatch }, node);
    const text = svg("text", { y: 4, "text-anchor": "middle", class: "number" }, node);
    this.context.tooltip.on(node, () =>
      stateInWords(this.data, this.split, l, p, this.context.playhead.index),
    );
    node.addEventListener("click", () => this.context.select({ kind: "state", l, p }));
    this.nodes.push({ l, p, disc, halo, text });
  }

  /** @param {number} index */
  draw(index) {
    const { split } = this;
    if (!split) return;
    if (!split.lens && !split.tracing) setAttributes(this.parts.note, { text: "not measured" });
    for (const edge of this.edges) this.drawEdge(edge, index, split);
    for (const node of this.nodes) this.drawNode(node, index, split);
    const accuracy = this.data.shownAccuracyAt(this.context.split, this.context.playhead.step);
    setAttributes(this.answerEdge, { "stroke-width": 1 + 9 * (accuracy ?? 0) });
  }

  /**
   * @param {DrawnEdge} edge
   * @param {number} index
   * @param {SplitData} split
   */
  drawEdge(edge, index, split) {
    const { palette } = this.context,
      found = widthOfEdge(split, edge, index);
    const value = (found && found.measure.at(...found.at)) ?? 0,
      size = Math.abs(value),
      faint = size < 0.02,
      colour = value < 0 ? "negative" : "edge";
    setAttributes(edge.line, {
      "stroke-width": faint ? 0.8 : 0.8 + 10 * size,
      stroke: faint ? palette.grey(0.18) : palette.shade(colour, 0.3 + 0.7 * size),
      "stroke-dasharray": value < 0 && !faint ? "3 6" : "",
    });
    const interval = found && !faint ? found.measure.interval(...found.at) : null;
    const widest = interval ? Math.max(...interval.map(Math.abs)) : 0;
    const width = widest ? 0.8 + 10 * widest : 0;
    setAttributes(edge.spread, { "stroke-width": width, stroke: palette.of(colour) });
  }

  /**
   * @param {DrawnState} node
   * @param {number} index
   * @param {SplitData} split
   */
  drawNode({ l, p, disc, halo, text }, index, { lens }) {
    const { palette, chosen } = this.context;
    let best = { value: 0, name: "neutral", symbol: "" };
    this.data.targets.forEach(({ name, short: symbol }, t) => {
      const value = lens?.at(index, t, l, p) ?? 0;
      if (value > best.value) best = { value, name, symbol };
    });
    const usable = this.data.canReach(l, p),
      share = (usable ? 1 : 0.45) * (0.05 + 0.95 * best.value);
    setAttributes(disc, {
      fill: palette.shade(best.name, share),
      stroke: palette.shade(best.name, 0.5),
    });
    const said = `${best.symbol} ${short(best.value)}`,
      size = Math.min(11.5, (23 * this.radius) / widthOf(said, "11.5px"));
    setAttributes(text, {
      fill: palette.inkOn(best.name, share),
      text: best.value >= 0.15 ? said : "",
      style: `font-size: ${size.toFixed(1)}px`,
    });
    const isChosen = chosen?.kind === "state" && chosen.l === l && chosen.p === p;
    setAttributes(halo, { stroke: isChosen ? palette.grey(0.9) : "none" });
  }
}

/** @param {number} l */
function blocksPassed(l) {
  return l === 0 ? "embedded" : `${l} block${l > 1 ? "s" : ""}`;
}
