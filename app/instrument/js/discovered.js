// The discovered circuit in the place of the states: components that pass the answer's tokens on.
//
// An edge is as wide as the share of a token's whole effect that runs along it, and dashed where
// patching it speaks for the answer; edges that are not in the circuit of this step are not drawn.

import { html, setAttributes, svg } from "./elements.js";
import { grouped, percent } from "./numbers.js";

export class Discovered {
  // circuit: the panel of states whose place it takes.
  constructor(circuit, context, { height }) {
    Object.assign(this, {
      circuit,
      context,
      height,
      data: context.data,
      found: context.data.discovered,
    });
    this.canvas = svg("svg", { height, class: "discovered" }, circuit.parts.body);
    const bar = html(
      "div",
      { class: "views", role: "radiogroup", "aria-label": "What the circuit shows" },
      circuit.parts.head,
    );
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
    const split = this.data.bySplit[this.context.split];
    return split ? split.discovered : null;
  }

  show(shown) {
    this.shown = shown;
    this.context.circuit = shown ? "edges" : "states";
    this.circuit.canvas.style.display = shown ? "none" : "";
    this.canvas.style.display = shown ? "" : "none";
    this.buttons.forEach((button, i) =>
      setAttributes(button, { "aria-checked": (i === 1) === shown }),
    );
    if (!shown) this.circuit.parts.note.textContent = this.stateNote;
    this.draw(this.context.playhead.index);
  }

  build(width) {
    const { palette, tooltip } = this.context,
      { rows, symbols, edges } = this.found,
      { positions } = this.data;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const last = positions.length - 1,
      margin = { left: 112, right: 76, top: 62, bottom: 44 };
    const x = (p) => margin.left + (p * (width - margin.left - margin.right)) / Math.max(1, last);
    const y = (row) =>
      this.height -
      margin.bottom -
      (row * (this.height - margin.top - margin.bottom)) / (rows.length - 1);
    rows.forEach((name, row) =>
      svg(
        "text",
        { x: 4, y: y(row) + 4, class: "tick", fill: palette.grey(0.7), text: name },
        this.canvas,
      ),
    );
    positions.forEach((position, p) =>
      svg(
        "text",
        {
          x: x(p),
          y: this.height - 8,
          "text-anchor": "middle",
          class: "axis-name",
          fill: palette.grey(0.95),
          text: `${position.label} (${symbols[p]})`,
        },
        this.canvas,
      ),
    );
    svg(
      "text",
      {
        x: x(last),
        y: 14,
        "text-anchor": "middle",
        class: "axis-name",
        fill: palette.grey(0.95),
        text: "answer",
      },
      this.canvas,
    );
    const layer = svg("g", {}, this.canvas),
      alike = {};
    this.lines = edges.map((edge, i) => {
      const target = edge.target || [rows.length, last];
      const nth = (alike[[edge.source, target]] = (alike[[edge.source, target]] ?? -1) + 1);
      const from = [x(edge.source[1]), y(edge.source[0])],
        to = [x(target[1]), edge.target ? y(target[0]) : 22];
      return this.line(layer, i, this.path(from, to, target[0] - edge.source[0], nth));
    });
    this.nodes = rows.flatMap((_, row) =>
      positions.map((_, p) => {
        const node = svg(
          "g",
          { class: "node", transform: `translate(${x(p)},${y(row)})` },
          this.canvas,
        );
        const box = svg("rect", { x: -36, y: -10, width: 72, height: 20, rx: 10 }, node);
        const text = svg("text", { y: 4, "text-anchor": "middle", class: "number" }, node);
        tooltip.on(node, () => this.nodeWords(row, p));
        return { row, p, node, box, text };
      }),
    );
    this.empty = svg(
      "text",
      {
        x: (margin.left + width) / 2,
        y: this.height / 2,
        "text-anchor": "middle",
        fill: palette.grey(0.8),
      },
      this.canvas,
    );
    this.draw(this.context.playhead.index);
  }

  // Edges up a column that pass by other components bow out around them, to the right.
  path([x1, y1], [x2, y2], rise, nth) {
    const bow = (x1 === x2 && rise > 1 ? 62 + 9 * (rise - 2) : 0) + 8 * nth;
    return `M${x1},${y1}C${x1 + bow},${y1 + (y2 - y1) / 3} ${x2 + bow},${y2 - (y2 - y1) / 3} ${x2},${y2}`;
  }

  line(parent, i, d) {
    const group = svg(
      "g",
      { class: "found pickable", "data-edge": this.found.edges[i].name },
      parent,
    );
    const [halo, spread, line] = [0.35, 0.22, 1].map((opacity) =>
      svg("path", { d, fill: "none", "stroke-linecap": "round", opacity }, group),
    );
    svg("path", { d, fill: "none", stroke: "transparent", "stroke-width": 12 }, group);
    this.context.tooltip.on(group, () => this.words(i));
    group.addEventListener("click", () => this.context.select({ kind: "found", edge: i }));
    return { group, halo, spread, line };
  }

  // "MLP 0 at first relation to the answer"
  name(i) {
    const { rows, edges } = this.found,
      { source, target } = edges[i];
    const at = ([row, p]) => `${rows[row]} at ${this.data.positions[p].label}`;
    const head = edges[i].name.match(/head\.\d+\.(\d+)/);
    return `${at(source)}${head ? ` (head ${head[1]})` : ""} to ${target ? at(target) : "the answer"}`;
  }

  words(i) {
    const { strength, effect, carries, frequency } = this.measured,
      index = this.context.playhead.index;
    const tokens = this.data.positions
      .map((position, p) => ({ position, p }))
      .filter(({ p }) => carries.at(index, i, p))
      .map(({ position, p }) => `${position.label} ${effect.inWords(index, i, p)}`);
    const sign = strength.at(index, i) < 0 ? "against" : "for";
    return (
      `${this.name(i)}: ${strength.inWords(index, i)} of a token's whole effect runs along this edge, ${sign} the answer. It carries, in nats of logit difference: ${tokens.join("; ")}. ` +
      `Of resampled questions ${percent(frequency.at(index, i))} give a circuit with it. Click for its questions, and for its strength over training.`
    );
  }

  nodeWords(row, p) {
    const carried = this.measured ? this.carried(row, p, this.context.playhead.index) : [];
    const where = `${this.found.rows[row]} at ${this.data.positions[p].label}`;
    return carried.length
      ? `${where} passes on what depends on: ${carried.map((t) => this.data.positions[t].label).join(", ")}.`
      : `${where}: no edge of the circuit leaves here.`;
  }

  carried(row, p, index) {
    const leaving = this.found.edges
      .map((edge, i) => ({ edge, i }))
      .filter(
        ({ edge, i }) =>
          edge.source[0] === row && edge.source[1] === p && this.measured.kept.at(index, i),
      );
    return this.data.positions
      .map((_, t) => t)
      .filter((t) => leaving.some(({ i }) => this.measured.carries.at(index, i, t)));
  }

  draw(index) {
    if (!this.nodes || !this.shown) return;
    const { measured } = this,
      { palette } = this.context;
    this.empty.textContent = measured ? "" : "Circuit discovery has not been run for this split.";
    this.note(index);
    const reached = new Set();
    this.lines.forEach((line, i) => {
      const kept = Boolean(measured && measured.kept.at(index, i));
      line.group.style.display = kept ? "" : "none";
      if (!kept) return;
      reached.add(String(this.found.edges[i].target));
      this.drawLine(line, i, index, palette);
    });
    for (const node of this.nodes) this.drawNode(node, index, reached, palette);
  }

  note(index) {
    const { measured, circuit } = this;
    if (!measured) {
      circuit.parts.note.textContent = "";
      return;
    }
    const count = this.lines.filter((_, i) => measured.kept.at(index, i)).length;
    const step = measured.step[index],
      elsewhere = step === this.context.playhead.step ? "" : `found at step ${grouped(step)}: `;
    circuit.parts.note.textContent = `${elsewhere}${count} of ${this.found.candidates} edges: alone ${percent(measured.alone.at(index))} right, whole model ${percent(measured.whole.at(index))}${this.lacking(index)}`;
  }

  // Clearly less often right alone.
  lacking(index) {
    const [alone, whole] = ["alone", "whole"].map((kind) => this.measured[kind].interval(index));
    return alone && whole && alone[1] < whole[0] ? " (not the whole circuit)" : "";
  }

  drawLine({ halo, spread, line }, i, index, palette) {
    const { strength } = this.measured,
      value = strength.at(index, i) ?? 0,
      size = Math.min(1, Math.abs(value));
    const interval = strength.interval(index, i),
      widest = interval ? Math.min(1, Math.max(...interval.map(Math.abs))) : 0;
    const { chosen } = this.context,
      isChosen = chosen && chosen.kind === "found" && chosen.edge === i;
    setAttributes(line, {
      stroke: palette.shade(value < 0 ? "negative" : "edge", 0.35 + 0.65 * size),
      "stroke-width": 1 + 9 * size,
      "stroke-dasharray": value < 0 ? "3 6" : null,
    });
    setAttributes(spread, {
      stroke: palette.of(value < 0 ? "negative" : "edge"),
      "stroke-width": widest ? 1 + 9 * widest : 0,
    });
    setAttributes(halo, {
      stroke: isChosen ? palette.of("cursor") : "none",
      "stroke-width": 9 + 9 * size,
    });
  }

  drawNode({ row, p, box, text }, index, reached, palette) {
    const carried = this.measured ? this.carried(row, p, index) : [];
    const used = carried.length > 0 || reached.has(String([row, p]));
    setAttributes(box, {
      fill: palette.shade("edge", used ? 0.16 : 0.02),
      stroke: palette.shade("edge", used ? 0.9 : 0.25),
    });
    setAttributes(text, {
      fill: palette.grey(1),
      text: carried.map((t) => this.found.symbols[t]).join(" · "),
    });
  }
}
