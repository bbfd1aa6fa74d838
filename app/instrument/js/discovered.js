// @ts-check
// The discovered circuit in the place of the states: components that pass the answer's tokens on.
// An edge is as wide as the share of a token's whole effect that runs along it, and dashed where
// patching it speaks for the answer; edges that are not in the circuit of this step are not drawn.

import { carriedFrom, circuitInWords } from "./circuit_words.js";
import { componentEdgeInWords, componentInWords } from "./circuit_words.js";
import { html, setAttributes, setText, svg } from "./elements.js";
import { edgePath, gridPlaces, roomFor } from "./layout.js";
import { namesThatFit } from "./names.js";
import { gridNames } from "./ticks.js";

/** @import { Circuit } from "./circuit.js" */
/** @import { DiscoveredData } from "./dataset.js" */
/** @import { Context } from "./context.js" */
/** @import { Discovered as Found } from "./payload.js" */

/** @typedef {{ group: SVGGElement } & Record<"halo" | "spread" | "line", SVGPathElement>} Drawn */
/** @typedef {{ row: number, p: number, box: SVGRectElement, text: SVGTextElement }} Component */

const FRAME = { left: 104, right: 66, top: 62, bottom: 44 };
const COLUMNS_APART = 60; // pixels between columns, at least
const HALF = 36; // of a component's width, where there is room
export const ROW_HIGH = 25; // and between rows

export class Discovered {
  /**
   * @param {Circuit} circuit The panel of states whose place it takes.
   * @param {Context} context
   * @param {Found} found
   */
  constructor(circuit, context, found) {
    this.circuit = circuit;
    this.context = context;
    this.found = found;
    this.height = circuit.height;
    this.data = context.data;
    this.shown = false;
    /** @type {Drawn[]} */
    this.lines = [];
    /** @type {Component[]} */
    this.nodes = [];
    this.canvas = svg("svg", { height: this.height, class: "discovered" }, circuit.parts.body);
    this.empty = svg("text");
    const group = { class: "views", role: "radiogroup", "aria-label": "What the circuit shows" };
    const bar = html("div", group, circuit.parts.head);
    this.buttons = ["States", "Discovered edges"].map((text, i) => {
      const button = html("button", { role: "radio", text }, bar);
      button.onclick = () => {
        this.show(i === 1);
        context.keep();
      };
      return button;
    });
    this.stateNote = circuit.parts.note.textContent;
    context.playhead.follow((index) => this.draw(index));
    this.show(context.circuit === "edges");
  }

  get measured() {
    return this.data.bySplit[this.context.split]?.discovered ?? null;
  }

  /** @param {boolean} shown */
  show(shown) {
    this.shown = shown;
    this.context.circuit = shown ? "edges" : "states";
    this.circuit.canvas.style.display = shown ? "none" : "";
    this.canvas.style.display = shown ? "" : "none";
    this.buttons.forEach((button, i) => {
      button.setAttribute("aria-checked", String((i === 1) === shown));
    });
    if (!shown) this.circuit.parts.note.textContent = this.stateNote;
    this.draw(this.context.playhead.index);
  }

  /** @param {number} panelWidth */
  build(panelWidth) {
    const { palette } = this.context,
      { height, found } = this,
      { rows, symbols, edges } = found,
      { positions } = this.data;
    const width = roomFor(panelWidth, FRAME, positions.length, COLUMNS_APART);
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const last = positions.length - 1;
    const size = { width, height, columns: positions.length, rows: rows.length },
      { x, y } = gridPlaces({ ...size, margin: FRAME });
    const most = (4 / 3) * Math.max(12, Math.min(x(1) - x(0) - 40, FRAME.right - 16));
    const columns = namesThatFit(positions, x(1) - x(0), symbols);
    gridNames(this.canvas, { x, y }, { rows, columns, height, palette });
    const layer = svg("g", {}, this.canvas),
      drawn = /** @type {Map<string, number>} */ (new Map());
    this.lines = edges.map(({ source, target }, i) => {
      const [row, p] = target ?? [rows.length, last],
        ends = String([source, row, p]),
        nth = drawn.get(ends) ?? 0;
      drawn.set(ends, nth + 1);
      const from = [x(source[1]), y(source[0])],
        to = [x(p), target ? y(row) : 22];
      return this.line(layer, i, edgePath(from, to, row - source[0], nth, most));
    });
    const half = Math.min(HALF, (x(1) - x(0)) / 2 - 4),
      all = rows.flatMap((_, row) => positions.map((_, p) => [row, p]));
    this.nodes = all.map(([row, p]) => this.node(row, p, { x: x(p), y: y(row), half }));
    const middle = { x: width / 2, y: height / 2, "text-anchor": "middle" };
    this.empty = svg("text", { ...middle, fill: palette.grey(0.8) }, this.canvas);
    this.draw(this.context.playhead.index);
  }

  /**
   * @param {number} row
   * @param {number} p
   * @param {{ x: number, y: number, half: number }} at
   */
  node(row, p, { x, y, half }) {
    const node = svg("g", { class: "node", transform: `translate(${x},${y})` }, this.canvas);
    const box = svg("rect", { x: -half, y: -10, width: 2 * half, height: 20, rx: 10 }, node);
    const text = svg("text", { y: 4, "text-anchor": "middle", class: "number" }, node);
    const { playhead, tooltip } = this.context;
    tooltip.on(node, () =>
      componentInWords(this.data, this.found, this.measured, row, p, playhead.index),
    );
    return { row, p, box, text };
  }

  /**
   * @param {Element} parent
   * @param {number} i
   * @param {string} d
   */
  line(parent, i, d) {
    const named = { class: "found pickable", "data-edge": this.found.edges[i].name };
    const group = svg("g", named, parent);
    const [halo, spread, line] = [0.35, 0.22, 1].map((opacity) =>
      svg("path", { d, fill: "none", "stroke-linecap": "round", opacity }, group),
    );
    svg("path", { d, fill: "none", stroke: "transparent", "stroke-width": 12 }, group);
    this.context.tooltip.on(group, () => {
      const { measured, found } = this,
        { index } = this.context.playhead;
      return measured ? componentEdgeInWords(this.data, found, measured, i, index) : "";
    });
    group.addEventListener("click", () => {
      this.context.select({ kind: "found", edge: i, l: 0, p: 0 });
    });
    return { group, halo, spread, line };
  }

  /** @param {number} index */
  draw(index) {
    if (!this.shown) return;
    const { measured, found } = this;
    setText(this.empty, measured ? "" : "Circuit discovery has not been run for this split.");
    const { step } = this.context.playhead;
    const said = measured ? circuitInWords(found, measured, index, step) : "";
    setText(this.circuit.parts.note, said);
    const reached = /** @type {Set<string>} */ (new Set());
    this.lines.forEach((line, i) => {
      const kept = measured && measured.kept.at(index, i);
      line.group.style.display = kept ? "" : "none";
      if (!kept) return;
      reached.add(String(found.edges[i].target));
      this.drawLine(line, i, index, measured);
    });
    for (const node of this.nodes) this.drawNode(node, index, reached);
  }

  /**
   * @param {Drawn} drawn
   * @param {number} i
   * @param {number} index
   * @param {DiscoveredData} measured
   */
  drawLine({ halo, spread, line }, i, index, { strength }) {
    const { palette, chosen } = this.context,
      value = strength.at(index, i) ?? 0,
      size = Math.min(1, Math.abs(value)),
      colour = value < 0 ? "negative" : "edge";
    setAttributes(line, {
      stroke: palette.shade(colour, 0.35 + 0.65 * size),
      "stroke-width": 1 + 9 * size,
      "stroke-dasharray": value < 0 ? "3 6" : null,
    });
    const ends = (strength.interval(index, i) ?? [0]).map(Math.abs),
      widest = Math.min(1, Math.max(...ends));
    const width = widest ? 1 + 9 * widest : 0;
    setAttributes(spread, { stroke: palette.of(colour), "stroke-width": width });
    const isChosen = chosen?.kind === "found" && chosen.edge === i;
    const stroke = isChosen ? palette.of("cursor") : "none";
    setAttributes(halo, { stroke, "stroke-width": 9 + 9 * size });
  }

  /**
   * @param {Component} node
   * @param {number} index
   * @param {Set<string>} reached
   */
  drawNode({ row, p, box, text }, index, reached) {
    const { palette } = this.context;
    const carried = carriedFrom(this.found, this.measured, row, p, index);
    const used = carried.length > 0 || reached.has(String([row, p]));
    setAttributes(box, {
      fill: palette.shade("edge", used ? 0.16 : 0.02),
      stroke: palette.shade("edge", used ? 0.9 : 0.25),
    });
    const symbols = carried.map((token) => this.found.symbols[token]);
    setAttributes(text, { fill: palette.grey(1), text: symbols.join(" · ") });
  }
}
