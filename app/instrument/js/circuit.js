// The circuit: states at layer x position, edges as wide as the answer's dependence on them.
//
// An upright edge S[l,p] -> S[l+1,p] is as wide as the causal effect of S[l+1,p]: how much of the
// answer still runs through position p. A slanted edge S[l,p] -> S[l+1,p+1] is as wide as the
// effect that position p lost in block l+1, which a later position has taken over (for the last
// but one position that can only be the last; for earlier ones the next is drawn). Where the
// difference is negative the edge is dashed.

import { panel, setAttributes, svg } from "./elements.js";
import { two } from "./numbers.js";
import { blocks } from "./words.js";

export class Circuit {
  constructor(parent, context, { height }) {
    Object.assign(this, { context, height });
    this.data = context.data;
    this.parts = panel(parent, "circuit", "Circuit", "click a state or an edge for its examples");
    this.canvas = svg("svg", { height }, this.parts.body);
    this.context.playhead.follow((index) => this.draw(index));
  }

  get split() {
    return this.data.bySplit[this.context.split];
  }

  build(width) {
    const { palette, tooltip } = this.context;
    const { layers, positions } = this.data;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const last = positions.length - 1;
    const margin = { left: 92, right: 66, top: 62, bottom: 40 };
    this.radius = Math.min(19, (this.height - margin.top - margin.bottom) / (layers * 2.6));
    const x = (p) => margin.left + (p * (width - margin.left - margin.right)) / Math.max(1, last);
    const y = (l) =>
      this.height - margin.bottom - (l * (this.height - margin.top - margin.bottom)) / (layers - 1);
    this.rowNames(palette, y);
    this.edges = [];
    const edgeLayer = svg("g", {}, this.canvas);
    for (let l = 0; l < layers - 1; l++) {
      for (let p = 0; p <= last; p++) {
        this.addEdge(edgeLayer, {
          kind: "through",
          l,
          p,
          x1: x(p),
          y1: y(l),
          x2: x(p),
          y2: y(l + 1),
        });
        if (p < last)
          this.addEdge(edgeLayer, {
            kind: "moved",
            l,
            p,
            x1: x(p),
            y1: y(l),
            x2: x(p + 1),
            y2: y(l + 1),
          });
      }
    }
    this.nodes = [];
    for (let l = 0; l < layers; l++) {
      for (let p = 0; p <= last; p++) {
        const node = svg(
          "g",
          {
            class: "node pickable",
            transform: `translate(${x(p)},${y(l)})`,
            "data-layer": l,
            "data-position": p,
          },
          this.canvas,
        );
        const halo = svg("circle", { r: this.radius + 4, fill: "none" }, node);
        const disc = svg("circle", { r: this.radius, "stroke-width": 1.5 }, node);
        const text = svg("text", { y: 4, "text-anchor": "middle", class: "number" }, node);
        tooltip.on(node, () => this.nodeWords(l, p));
        node.addEventListener("click", () => this.context.select({ kind: "state", l, p }));
        this.nodes.push({ l, p, disc, halo, text });
      }
    }
    positions.forEach((position, p) =>
      svg(
        "text",
        {
          x: x(p),
          y: this.height - 8,
          "text-anchor": "middle",
          class: "axis-name",
          fill: palette.grey(0.95),
          text: position.label,
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
    this.answerEdge = svg(
      "line",
      {
        x1: x(last),
        x2: x(last),
        y1: y(layers - 1) - this.radius - 4,
        y2: 19,
        stroke: palette.grey(0.55),
        "stroke-width": 3,
      },
      this.canvas,
    );
    this.draw(this.context.playhead.index);
  }

  rowNames(palette, y) {
    for (let l = 0; l < this.data.layers; l++) {
      const name = l === 0 ? "embedded" : `${l} block${l > 1 ? "s" : ""}`;
      svg(
        "text",
        { x: 4, y: y(l) + 4, class: "tick", fill: palette.grey(0.7), text: name },
        this.canvas,
      );
    }
  }

  addEdge(parent, edge) {
    const group = svg(
      "g",
      {
        class: "edge pickable",
        "data-kind": edge.kind,
        "data-layer": edge.l,
        "data-position": edge.p,
      },
      parent,
    );
    const ends = { x1: edge.x1, y1: edge.y1, x2: edge.x2, y2: edge.y2 };
    edge.spread = svg("line", { ...ends, "stroke-linecap": "round", opacity: 0.22 }, group);
    edge.line = svg("line", { ...ends, "stroke-linecap": "round" }, group);
    svg("line", { ...ends, stroke: "transparent", "stroke-width": 12 }, group);
    this.context.tooltip.on(group, () => this.edgeWords(edge));
    group.addEventListener("click", () =>
      this.context.select({ kind: edge.kind, l: edge.l, p: edge.p }),
    );
    this.edges.push(edge);
  }

  measure(edge, index) {
    const { tracing, moved } = this.split;
    if (edge.kind === "moved") return moved ? [moved, [index, edge.l, edge.p]] : null;
    return tracing ? [tracing, [index, edge.l + 1, edge.p]] : null;
  }

  edgeWords(edge) {
    const found = this.measure(edge, this.context.playhead.index);
    if (!found) return "Causal tracing has not been run for this split.";
    const [measure, at] = found;
    const name = this.data.positions[edge.p].label;
    if (edge.kind === "through") {
      return `Swapping the state at ${name} ${blocks(edge.l + 1)} for that of another question changes the answer in a share of ${measure.inWords(...at)} of ${this.split.nValid[edge.p]} questions.`;
    }
    const value = measure.at(...at);
    const verb = value !== null && value < 0 ? "gains" : "loses";
    return `In block ${edge.l + 1} the position ${name} ${verb} this much hold on the answer (a later position takes over what it loses): ${measure.inWords(...at)}.`;
  }

  nodeWords(l, p) {
    const index = this.context.playhead.index;
    const { lens, tracing, bridge } = this.split;
    const where = `${this.data.positions[p].label} ${blocks(l)}`;
    const parts = lens
      ? this.data.targets.map((t, i) => `${t.label} ${lens.inWords(index, i, l, p)}`)
      : ["logit lens not run"];
    const strength = tracing
      ? ` Swapping it changes the answer: ${tracing.inWords(index, l, p)}.`
      : "";
    const swap = bridge
      ? ` Swapping in another question's state turns the answer into the one of its bridge: ${bridge.inWords(index, 0, l, p)}.`
      : "";
    return `State at ${where}. Readable here (mean reciprocal rank): ${parts.join("; ")}.${strength}${swap}`;
  }

  draw(index) {
    if (!this.nodes || !this.split) return;
    const { palette } = this.context;
    for (const edge of this.edges) this.drawEdge(edge, index, palette);
    for (const node of this.nodes) this.drawNode(node, index, palette);
    const accuracy = this.data.accuracyAt(this.context.split, this.context.playhead.step);
    this.answerEdge.setAttribute("stroke-width", accuracy === null ? 1 : 1 + 9 * accuracy);
  }

  drawEdge(edge, index, palette) {
    const found = this.measure(edge, index);
    const value = found ? found[0].at(...found[1]) : null;
    const interval = found ? found[0].interval(...found[1]) : null;
    const size = value === null ? 0 : Math.abs(value);
    const faint = size < 0.02;
    edge.line.setAttribute("stroke-width", faint ? 0.8 : 0.8 + 10 * size);
    edge.line.setAttribute(
      "stroke",
      faint ? palette.grey(0.18) : palette.shade(value < 0 ? "negative" : "edge", 0.3 + 0.7 * size),
    );
    edge.line.setAttribute("stroke-dasharray", value < 0 && !faint ? "3 6" : "");
    const widest = interval && !faint ? Math.max(Math.abs(interval[0]), Math.abs(interval[1])) : 0;
    edge.spread.setAttribute("stroke-width", widest ? 0.8 + 10 * widest : 0);
    edge.spread.setAttribute("stroke", palette.of(value < 0 ? "negative" : "edge"));
  }

  drawNode(node, index, palette) {
    const { lens } = this.split;
    let best = null;
    if (lens) {
      this.data.targets.forEach((target, t) => {
        const value = lens.at(index, t, node.l, node.p);
        if (value !== null && (!best || value > best.value)) best = { value, target };
      });
    }
    const value = best ? best.value : 0,
      name = best ? best.target.name : "neutral";
    node.disc.setAttribute("fill", palette.shade(name, 0.05 + 0.95 * value));
    node.disc.setAttribute("stroke", palette.shade(name, 0.5));
    node.text.setAttribute("fill", palette.inkOn(name, 0.05 + 0.95 * value));
    node.text.textContent =
      value >= 0.15 ? `${best.target.short} ${two(value).replace(/^0/, "")}` : "";
    const chosen = this.context.chosen;
    const isChosen =
      chosen && chosen.l === node.l && chosen.p === node.p && chosen.kind === "state";
    node.halo.setAttribute("stroke", isChosen ? palette.grey(0.9) : "none");
    node.halo.setAttribute("stroke-width", 2);
  }
}
