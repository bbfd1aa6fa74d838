// @ts-check
// Heads: a map of layers by heads of a chosen score, and one head's averaged pattern, large.

import { Curves } from "./curves.js";
import { highOn, html, setAttributes } from "./elements.js";
import { HeadData } from "./heads_data.js";
import { HeatMap } from "./heatmap.js";
import { isStacked } from "./layout.js";
import { short } from "./numbers.js";

const LEAST_HIGH = 20; // pixels of a layer in the map
const LEAST_WIDE = 30; // and of a head

/** @import { Found, Looked } from "./heads_data.js" */
/** @import { Context } from "./context.js" */
/** @import { Heads } from "./payload.js" */

export class HeadsView {
  /**
   * @param {Element} root
   * @param {Context} context
   * @param {Heads} sent
   * @param {Looked | null} looked
   */
  constructor(root, context, sent, looked) {
    this.context = context;
    this.sent = sent;
    this.data = new HeadData(sent, context.data.positions, looked);
    this.sentence = html("p", { class: "sentence", "aria-live": "polite" }, root);
    const main = html("div", { class: "heads-main" }, root);
    this.map = this.makeMap(main);
    this.pattern = this.makePattern(main);
    const size = { className: "small heads-curves", height: highOn(120) };
    this.curves = new Curves(root, context, { ...size, title: "Over training", series: [] });
    html("p", { class: "about", text: sent.about }, root);
    this.choosers();
    context.playhead.follow((index) => this.draw(index));
  }

  /** @param {Element} main */
  makeMap(main) {
    const { sent, data } = this;
    return new HeatMap(main, this.context, {
      title: "Heads",
      height: Math.max(highOn(300), LEAST_HIGH * sent.layers + 20),
      colour: (index, l, h) => ((this.at(index, l, h)?.value ?? 0) < 0 ? "negative" : "attention"),
      rows: Array.from({ length: sent.layers }, (_, l) => String(l)),
      rowTitle: "block",
      columns: Array.from({ length: sent.heads }, (_, h) => String(h)),
      columnTitle: "head",
      leastColumn: LEAST_WIDE,
      read: (index, l, h) => share(this.at(index, l, h), this.end()),
      label: (index, l, h) => said(this.at(index, l, h)),
      words: (index, l, h) => {
        const found = data.inWords(this.at(index, l, h), data.score.unit);
        return `Block ${l}, head ${h}. ${this.what()}: ${found}. Enter shows its pattern.`;
      },
      outlined: (l, h) => l === data.looked.head[0] && h === data.looked.head[1],
      pick: (l, h) => this.look({ head: [l, h] }),
    });
  }

  /** @param {Element} main */
  makePattern(main) {
    const { data } = this,
      n = data.positions.length;
    const query = (/** @type {number} */ r) => n - 1 - r;
    /** @param {number} index @param {number} r @param {number} k */
    const paid = (index, r, k) =>
      data.paid(this.context.split, index, [...data.looked.head, query(r), k]);
    return new HeatMap(main, this.context, {
      title: "Pattern",
      hint: "rows attend to columns; choose a cell",
      height: Math.max(highOn(300), LEAST_HIGH * n + 20),
      colour: (index, r, k) => ((paid(index, r, k)?.value ?? 0) < 0 ? "negative" : "attention"),
      rows: data.positions.map((p) => p.short).reverse(),
      wideRows: true,
      columns: data.positions.map((p) => p.short),
      symbols: data.positions.map((p) => p.symbol),
      read: (index, r, k) => (k > query(r) ? null : share(paid(index, r, k), 1)),
      label: (index, r, k) => (k > query(r) ? "" : said(paid(index, r, k))),
      words: (index, r, k) => {
        const from = data.positionName(query(r)),
          to = data.positionName(k);
        if (k > query(r)) return `${from} comes before ${to} and cannot attend to it.`;
        return `${from} attends to ${to}${this.minus()}: ${data.inWords(paid(index, r, k))}.`;
      },
      absent: (r, k) => k > query(r),
      outlined: (r, k) => query(r) === data.looked.pair[0] && k === data.looked.pair[1],
      pick: (r, k) => k <= query(r) && this.look({ pair: [query(r), k] }),
    });
  }

  // The chosen score of a head.
  /** @param {number} index @param {number} l @param {number} h */
  at(index, l, h) {
    return this.data.scored(this.context.split, index, l, h);
  }

  // The end of the colour scale.
  end() {
    return this.data.score.end;
  }

  minus() {
    const against = this.data.against(this.context.split);
    return against ? ` (minus ${this.context.data.splitLabel(against)})` : "";
  }

  what() {
    return this.data.title() + this.minus();
  }

  choosers() {
    const { data, context } = this;
    /** @param {string} label @param {string[][]} options @param {"score" | "against"} name */
    const choice = (label, options, name) => {
      const select = html("select", { "aria-label": label, title: label }, this.map.parts.head);
      for (const [value, text] of options) {
        html("option", { value, text }, select).selected = value === data.looked[name];
      }
      select.onchange = () => this.look({ [name]: select.value });
    };
    this.map.parts.head.replaceChildren();
    this.map.parts.head.classList.add("with-choices");
    html("h3", { text: "Heads by" }, this.map.parts.head);
    const scores = this.sent.scores.map(({ name, label }) => [name, label]);
    choice("Score of heads", scores, "score");
    const others = context.data.splits.filter(({ name }) => name in data.splits);
    const minus = others.map(({ name, label }) => [name, `minus ${label}`]);
    if (others.length > 1) choice("Difference", [["", "no difference"], ...minus], "against");
  }

  /** @param {Partial<Looked>} change */
  look(change) {
    Object.assign(this.data.looked, change);
    this.refresh();
    this.context.send("pick", { ...this.data.looked });
  }

  // The curve of the chosen head between the chosen positions, of every split.
  series() {
    const { context, data } = this,
      { head, pair } = data.looked,
      [l, h] = head,
      [q, k] = pair;
    return context.data.splits.flatMap(({ name, label, dash }) => {
      const measure = data.splits[name]?.pattern;
      if (!measure) return [];
      const at = [l, h, q, k],
        { value, low, high } = measure;
      /** @param {import("./packed.js").Grid | null} grid */
      const over = (grid) => grid && context.data.steps.map((_, i) => grid.at(i, ...at));
      const n = measure.n?.at(0, ...at) ?? undefined;
      return [
        { name: label, colour: name, dash, n, strong: name === context.split,
          steps: context.data.steps, values: over(value) ?? [], low: over(low), high: over(high) },
      ]; // prettier-ignore
    });
  }

  refresh() {
    const { data } = this,
      [l, h] = data.looked.head,
      [q, k] = data.looked.pair;
    this.pattern.parts.heading.textContent = `Head ${l}.${h}: attention pattern${this.minus()}`;
    const title = `Head ${l}.${h} over training`;
    const [from, to] = [q, k].map((p) => data.positions[p].short);
    const hint = `attention from ${from} to ${to}, by split`;
    if (this.curves.width) this.curves.replace({ title, hint, series: this.series() });
    this.context.playhead.redraw();
  }

  splitChanged() {
    this.refresh();
  }

  presented = () => ({ map: this.map, pattern: this.pattern, curves: this.curves });

  /** @param {number} width */
  build(width) {
    const gap = 10,
      pad = 18,
      stacked = isStacked(width);
    const left = stacked ? width : Math.round(width * 0.55);
    this.map.build(left - pad);
    this.pattern.build((stacked ? width : width - left - gap) - pad);
    this.curves.build(width - pad);
    this.refresh();
  }

  /** @param {number} index */
  draw(index) {
    const { data, context } = this,
      [l, h] = data.looked.head;
    const found = data.inWords(this.at(index, l, h), data.score.unit);
    const of = context.data.splitLabel(context.split);
    const text = `Head ${l}.${h}, ${of}: ${lowered(this.what())}: ${found}.`;
    setAttributes(this.sentence, { text });
  }
}

/** @param {Found | null} found @param {number} end */
const share = (found, end) => (found ? Math.abs(found.value) / end : null);

/** @param {Found | null} found */
const said = (found) => (found ? short(found.value).replace(/^-0?/, "−") : "");

/** @param {string} text */
const lowered = (text) => text.charAt(0).toLowerCase() + text.slice(1);
