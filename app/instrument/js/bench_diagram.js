// @ts-check
// The diagram of a circuit whose edges are removed and put back by a click.

import { PLACE_HIGH, benchLayout, benchPath } from "./bench_layout.js";
import { linksOf, placesOf, standingHeads } from "./bench_places.js";
import { componentName } from "./bench_state.js";
import { drawLink, drawPlace, pressable } from "./bench_marks.js";
import { edgesInWords, keptInWords, placeInWords } from "./bench_words.js";
import { html, panel, setAttributes, svg } from "./elements.js";
import { shortened, widthOf } from "./names.js";

/** @import { DrawnLink, DrawnPlace } from "./bench_marks.js" */
/** @import { Link, Place } from "./bench_places.js" */
/** @import { BenchChoice } from "./bench_state.js" */
/** @import { Context } from "./context.js" */
/** @import { Bench } from "./payload.js" */

const WIDEST = 92; // of a place, pixels; longer names of groups are shortened
export class BenchDiagram {
  /**
   * @param {Element} parent
   * @param {Context} context
   * @param {Bench} bench
   * @param {BenchChoice} choice
   * @param {{ height: number, changed: () => void, selected: (places: Place[]) => void }} on
   */
  constructor(parent, context, bench, choice, on) {
    this.context = context;
    this.bench = bench;
    this.choice = choice;
    this.on = on;
    this.panelWidth = 0;
    this.base = "";
    /** @type {Set<string>} */
    this.selection = new Set();
    this.folded = false;
    /** @type {Set<number>} */
    this.standing = new Set();
    /** @type {DrawnLink[]} */
    this.links = [];
    /** @type {DrawnPlace[]} */
    this.places = [];
    this.parts = panel(parent, "bench-circuit", "Circuit");
    if (bench.heads) this.foldButtons();
    this.canvas = svg("svg", { class: "bench", height: on.height }, this.parts.body);
  }

  foldButtons() {
    const group = { class: "views", role: "radiogroup", "aria-label": "Attention heads" };
    const bar = html("div", group, this.parts.head);
    const buttons = ["Heads", "Layers"].map((text, i) => {
      const button = html("button", { role: "radio", text }, bar);
      button.onclick = () => {
        this.folded = i === 1;
        show();
        this.build(this.panelWidth);
      };
      return button;
    });
    const show = () =>
      buttons.forEach((button, i) => {
        button.setAttribute("aria-checked", String((i === 1) === this.folded));
      });
    show();
  }

  /** @param {number} panelWidth */
  build(panelWidth) {
    this.panelWidth = panelWidth;
    const { bench, choice } = this,
      { palette } = this.context;
    this.standing = standingHeads(bench, choice);
    const places = placesOf(bench, choice, this.folded ? new Set() : this.standing);
    const layout = benchLayout(places, {
      rows: bench.rows.length,
      columns: bench.columns.length,
      width: panelWidth,
      height: this.on.height,
      wide: ({ label }) => Math.min(WIDEST, Math.max(26, widthOf(label, "11.5px") + 14)),
    });
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width: layout.width, height: layout.height });
    const grey = { class: "tick", fill: palette.grey(0.7) };
    bench.rows.slice(0, -1).forEach((text, row) => {
      svg("text", { ...grey, x: 4, y: layout.yOf(row) + 4, text }, this.canvas);
    });
    bench.columns.forEach((text, p) => {
      const at = { x: layout.middle[p], y: layout.height - 10, "text-anchor": "middle" };
      svg("text", { ...at, class: "axis-name", fill: palette.grey(0.95), text }, this.canvas);
    });
    const under = svg("g", {}, this.canvas);
    this.links = linksOf(bench, places).map((link) => this.addLink(under, link, places, layout));
    this.places = places.map((place, i) => this.addPlace(place, layout.boxes[i]));
    this.draw();
  }

  /**
   * @param {Element} parent
   * @param {Link} link
   * @param {Place[]} places
   * @param {ReturnType<typeof benchLayout>} layout
   */
  addLink(parent, link, places, { boxes, right }) {
    const [from, to] = [places[link.from], places[link.to]];
    const column = from.position === to.position ? right[from.position] : null;
    const d = benchPath(boxes[link.from], boxes[link.to], to.row - from.row, column);
    const names = link.edges.map((i) => this.bench.edges[i].name);
    const group = svg(
      "g",
      {
        class: "link pickable",
        role: "button",
        "data-edge": names.join(" "),
        "aria-label": `edge from ${from.label} to ${to.label}`,
      },
      parent,
    );
    const [halo, line] = [0.3, 1].map((opacity) =>
      svg("path", { d, fill: "none", "stroke-linecap": "round", opacity }, group),
    );
    svg("path", { d, fill: "none", stroke: "transparent", "stroke-width": 11 }, group);
    this.context.tooltip.on(group, () => edgesInWords(this.bench, this.choice.kept(), link.edges));
    const toggle = () => {
      const ids = link.edges.map((i) => this.bench.edges[i].id),
        kept = this.choice.kept();
      this.choice.keep(ids, !ids.some((id) => kept.has(id)));
      this.on.changed();
    };
    pressable(group, toggle);
    return { link, group, line, halo };
  }

  /**
   * @param {Place} place
   * @param {{ x: number, y: number, wide: number }} at
   */
  addPlace(place, { x, y, wide }) {
    const group = svg(
      "g",
      {
        class: "node pickable",
        role: "button",
        tabindex: 0,
        transform: `translate(${x},${y})`,
        "data-place": place.key,
        "aria-label": componentName(this.bench, place.members[0]),
      },
      this.canvas,
    );
    const size = {
      x: -wide / 2,
      y: -PLACE_HIGH / 2,
      width: wide,
      height: PLACE_HIGH,
      rx: PLACE_HIGH / 2,
    };
    const box = svg("rect", size, group);
    const text = svg("text", { y: 4, "text-anchor": "middle", class: "number" }, group);
    text.textContent = shortened(place.label, wide - 12, "11.5px");
    const mark = svg("circle", { cx: wide / 2 - 4, cy: 3 - PLACE_HIGH / 2, r: 4 }, group);
    this.context.tooltip.on(group, () =>
      placeInWords(this.bench, this.choice, place, this.choice.kept()),
    );
    pressable(group, (event) => {
      const chosen = this.selection.has(place.key);
      if (!event.shiftKey) this.selection.clear();
      if (chosen) this.selection.delete(place.key);
      else this.selection.add(place.key);
      this.draw();
      this.on.selected(this.selected());
    });
    return { place, group, box, text, mark };
  }

  selected() {
    const chosen = this.places.filter(({ place }) => this.selection.has(place.key));
    return chosen.map(({ place }) => place);
  }

  /** @param {string} base What the circuit started from. */
  draw(base = this.base) {
    this.base = base;
    const standing = standingHeads(this.bench, this.choice);
    if (this.bench.heads && [...standing].some((i) => !this.standing.has(i))) {
      this.build(this.panelWidth);
      return;
    }
    const kept = this.choice.kept(),
      { bench } = this;
    /** @type {Set<number>} */
    const used = new Set();
    for (const drawn of this.links) {
      const { from, to } = drawn.link;
      const chosen = [from, to].some((i) => this.selection.has(this.keyOf(i)));
      drawLink(this, drawn, kept, used, chosen);
    }
    for (const drawn of this.places) {
      drawPlace(this, drawn, used, this.selection.has(drawn.place.key));
    }
    const changed = this.choice.state.toggled.length ? ", changed by hand" : "";
    const text = `${this.base}${changed}: ${keptInWords(bench, this.choice)}`;
    setAttributes(this.parts.note, { text, title: text });
  }

  /** @param {number} place */
  keyOf(place) {
    return this.places[place]?.place.key ?? "";
  }
}
