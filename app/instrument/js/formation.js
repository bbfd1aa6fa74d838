// The first page: circuit, curves, maps and a sentence, all at one step.

import { Circuit } from "./circuit.js";
import { Curves } from "./curves.js";
import { Discovered } from "./discovered.js";
import { highOn, html } from "./elements.js";
import { Examples } from "./examples.js";
import { HeatMap } from "./heatmap.js";
import { percent } from "./numbers.js";
import { blocks, formationInWords, isComparison } from "./words.js";

export class Formation {
  constructor(root, context) {
    this.context = context;
    this.data = context.data;
    context.select = (chosen) => this.select(chosen);
    this.mapHeight = highOn(112);
    this.sentence = html("p", { class: "sentence", "aria-live": "polite" }, root);
    const main = html("div", { class: "formation-main" }, root);
    const height = highOn(118) + highOn(116) + 112;
    this.circuit = new Circuit(main, context, { height });
    this.discovered = this.data.discovered
      ? new Discovered(this.circuit, context, { height })
      : null;
    const side = html("div", { class: "formation-side" }, main);
    this.accuracy = new Curves(side, context, {
      className: "wide",
      height: highOn(118),
      ...this.accuracySeries(),
    });
    this.loss = new Curves(side, context, {
      title: "Loss per split",
      hint: "log scale",
      className: "small",
      height: highOn(116),
      scale: "log",
      series: this.splitSeries(this.data.metrics.loss),
    });
    context.chosen = this.strongestState();
    this.state = new Curves(side, context, {
      className: "small",
      height: highOn(116),
      ...this.stateSeries(),
    });
    this.maps = html("div", { class: "maps" }, root);
    this.heatMaps = this.makeMaps();
    context.edgeName = (edge) => this.discovered.name(edge);
    this.drawer = new Examples(root, context, this);
    context.playhead.follow((index) => this.draw(index));
  }

  get split() {
    return this.data.bySplit[this.context.split] || {};
  }

  accuracySeries() {
    const baselines = (this.data.baselines || {})[this.context.split] || {};
    const names = this.data.vocabulary.shortcuts;
    const references = Object.entries(baselines)
      .filter(([, v]) => v >= 0.005)
      .map(([name, value]) => ({
        value,
        colour: "baseline",
        name: `shortcut ${names[name] || name} ${percent(value)}`,
        words: `An answerer that goes by ${names[name] || name} is right for ${percent(value)} of these questions.`,
      }))
      .sort((a, b) => b.value - a.value)
      .slice(0, 2)
      .map((r, i) => ({ ...r, dots: i > 0 }));
    return {
      title: "Accuracy per split",
      hint: `shortcuts: on ${this.data.splitLabel(this.context.split)}`,
      series: this.splitSeries(this.data.metrics.accuracy),
      references,
    };
  }

  splitSeries(values) {
    return this.data.splits
      .filter((s) => values[s.name])
      .map((s) => ({
        name: s.label,
        colour: s.name,
        steps: this.data.metrics.step,
        values: values[s.name],
        strong: s.name === this.context.split,
      }));
  }

  strongestState() {
    const { bridge } = this.split;
    const middle = this.data.positions.length > 2 ? 1 : 0;
    let best = { kind: "state", l: Math.floor(this.data.layers / 2), p: middle },
      most = -1;
    for (let l = 1; bridge && l < this.data.layers; l++) {
      const value = bridge.at(this.context.playhead.steps.length - 1, 0, l, middle);
      if (value !== null && value > most) {
        most = value;
        best = { kind: "state", l, p: middle };
      }
    }
    return best;
  }

  stateSeries() {
    const { l, p, kind, edge } = this.context.chosen;
    const { lens, tracing, bridge, moved } = this.split;
    const steps = this.context.playhead.steps;
    const over = (name, colour, measure, ...at) => ({
      name,
      colour,
      steps,
      values: steps.map((_, i) => measure.at(i, ...at)),
      low: measure.low ? steps.map((_, i) => measure.low.at(i, ...at)) : null,
      high: measure.high ? steps.map((_, i) => measure.high.at(i, ...at)) : null,
    });
    const series = [];
    if (kind === "found") {
      if (this.split.discovered)
        series.push(
          over("share of a token's effect", "edge", this.split.discovered.strength, edge),
        );
      return { title: "Edge over training", hint: this.discovered.name(edge), series };
    }
    const position = this.data.positions[p].short;
    if (kind === "moved") {
      if (moved) series.push(over("handed on", "edge", moved, l, p));
      return { title: `Edge from ${position}, block ${l + 1}`, hint: "over training", series };
    }
    const layer = kind === "through" ? l + 1 : l;
    if (tracing) series.push(over("causal effect", "edge", tracing, layer, p));
    if (bridge) series.push(over("bridge swap", "swap", bridge, 0, layer, p));
    if (lens) {
      const readable = this.data.targets.map((t, i) =>
        over(`lens ${t.short}`, t.name, lens, i, layer, p),
      );
      series.push(...readable.filter((s) => Math.max(...s.values) >= 0.1));
    }
    return {
      title: `State ${position}, ${layer} block${layer === 1 ? "" : "s"}`,
      hint: "",
      series,
    };
  }

  makeMaps() {
    const { data, context } = this;
    const rows = Array.from({ length: data.layers }, (_, l) => String(l));
    const columns = data.positions.map((p) => p.short);
    const map = (title, colour, words, measure, prefix) =>
      new HeatMap(this.maps, context, {
        title,
        colour,
        rows,
        columns,
        height: this.mapHeight,
        read: (index, l, p) => {
          const m = measure(this.split);
          return m ? m.at(index, ...prefix, l, p) : null;
        },
        words: (index, l, p) => {
          const m = measure(this.split);
          return m
            ? `${words} at ${data.positions[p].label}, ${blocks(l)}: ${m.inWords(index, ...prefix, l, p)}.`
            : "This analysis has not been run for this split.";
        },
        pick: (l, p) => this.select({ kind: "state", l, p }),
      });
    const lens = data.targets.map((t, i) =>
      map(`Lens: ${t.label}`, t.name, `Mean reciprocal rank of ${t.label}`, (s) => s.lens, [i]),
    );
    const tracing = map(
      "Causal tracing",
      "edge",
      "Share of answers that change when the state is swapped for another question's",
      (s) => s.tracing,
      [],
    );
    if (isComparison(data)) return [...lens, tracing];
    return [
      ...lens,
      tracing,
      map(
        "Bridge swap",
        "swap",
        "Share of answers that become those of the other bridge",
        (s) => s.bridge,
        [0],
      ),
    ];
  }

  select(chosen) {
    this.context.chosen = chosen;
    this.state.replace(this.stateSeries());
    this.drawer.open(chosen);
    this.context.playhead.redraw();
  }

  splitChanged() {
    this.accuracy.replace(this.accuracySeries());
    this.loss.replace({ series: this.splitSeries(this.data.metrics.loss) });
    this.state.replace(this.stateSeries());
    this.drawer.refresh();
  }

  build(width) {
    this.context.root.classList.toggle("narrow", width < 1100);
    const gap = 10,
      pad = 18;
    const left = Math.round(width * 0.45),
      right = width - left - gap;
    this.circuit.build(left - pad);
    if (this.discovered) this.discovered.build(left - pad);
    this.accuracy.build(right - pad);
    this.loss.build(Math.floor((right - gap) / 2) - pad);
    this.state.build(Math.ceil((right - gap) / 2) - pad);
    const each = Math.floor((width - gap * (this.heatMaps.length - 1)) / this.heatMaps.length);
    for (const map of this.heatMaps) map.build(each - pad);
    this.draw(this.context.playhead.index);
  }

  draw(index) {
    this.sentence.textContent = formationInWords(
      this.data,
      this.context.split,
      index,
      this.context.playhead.step,
    );
  }
}
