// @ts-check
// What is known of the chosen components: their edges to remove and put back, notes, groups.

import { componentName } from "./bench_state.js";
import { benchEdgeName, shareInWords } from "./bench_words.js";
import { html, panel } from "./elements.js";

/** @import { Place } from "./bench_places.js" */
/** @import { BenchChoice } from "./bench_state.js" */
/** @import { Bench } from "./payload.js" */

export class BenchDetails {
  /**
   * @param {Element} parent
   * @param {Bench} bench
   * @param {BenchChoice} choice
   * @param {{ changed: () => void, regrouped: () => void }} on
   */
  constructor(parent, bench, choice, on) {
    this.bench = bench;
    this.choice = choice;
    this.on = on;
    /** @type {Place[]} */
    this.places = [];
    this.parts = panel(parent, "bench-details", "Component");
    this.body = html("div", { class: "bench-details-body" }, this.parts.body);
    this.show([]);
  }

  /** @param {Place[]} places */
  show(places) {
    this.places = places;
    const { bench } = this;
    this.body.replaceChildren();
    const members = places.flatMap((place) => place.members);
    this.parts.heading.textContent =
      members.length === 1
        ? componentName(bench, members[0])
        : members.length
          ? `${members.length} components`
          : "Notes and groups";
    if (!members.length) this.overview();
    else {
      if (members.length === 1) this.note(bench.components[members[0]].name);
      if (members.every((i) => bench.components[i].head !== null)) this.grouping(members);
      this.edges(new Set(members));
    }
  }

  overview() {
    const { notes, groups } = this.choice.state;
    const index = new Map(this.bench.components.map(({ name }, i) => [name, i]));
    const list = html("ul", {}, this.body);
    for (const [name, text] of Object.entries(notes)) {
      const i = index.get(name),
        item = html("li", {}, list);
      html("b", { text: i === undefined ? name : componentName(this.bench, i) }, item);
      item.append(`: ${text}`);
    }
    for (const [name, heads] of Object.entries(groups)) {
      const item = html("li", {}, list);
      html("b", { text: name }, item);
      item.append(`: ${heads.join(", ")}`);
    }
    if (!list.childElementCount) {
      const text = this.bench.heads
        ? "None yet. Click a component to note what it does; shift-click heads to group them."
        : "None yet. Click a component to note what it does.";
      list.replaceWith(html("p", { class: "quiet", text }));
    }
  }

  /** @param {string} component */
  note(component) {
    const field = html(
      "textarea",
      {
        rows: 2,
        maxlength: 2000,
        placeholder: "What does it do?",
        "aria-label": "Note on this component",
      },
      this.body,
    );
    field.value = this.choice.state.notes[component] ?? "";
    field.addEventListener("change", () => {
      this.choice.note(component, field.value);
      this.on.changed();
    });
  }

  /** @param {number[]} members */
  grouping(members) {
    const heads = members.map((i) => this.bench.components[i].name);
    const known = new Set(heads.map((head) => this.choice.groupOf(head)));
    const row = html("div", { class: "bench-row" }, this.body);
    const field = html(
      "input",
      {
        type: "text",
        maxlength: 60,
        placeholder: "Group, e.g. name movers",
        "aria-label": "Group",
      },
      row,
    );
    field.value = known.size === 1 ? ([...known][0] ?? "") : "";
    const set = html("button", { text: members.length > 1 ? "Group them" : "Put into" }, row);
    const apply = (/** @type {string} */ name) => {
      this.choice.group(heads, name);
      this.on.regrouped();
    };
    set.onclick = () => apply(field.value);
    if ([...known].some((name) => name !== null)) {
      html("button", { text: "Take out" }, row).onclick = () => apply("");
    }
  }

  /** @param {Set<number>} members */
  edges(members) {
    const { bench, choice } = this,
      kept = choice.kept();
    const own = bench.edges.filter(
      ({ source, target }) => members.has(source) || members.has(target),
    );
    own.sort((a, b) => Math.abs(b.share ?? 0) - Math.abs(a.share ?? 0));
    const row = html("div", { class: "bench-row" }, this.body);
    /**
     * @param {string} text
     * @param {number[]} ids
     * @param {boolean} keep
     */
    const all = (text, ids, keep) => {
      const button = html("button", { text, disabled: ids.length === 0 }, row);
      button.onclick = () => {
        choice.keep(ids, keep);
        this.on.changed();
        this.show(this.places);
      };
    };
    const here = own.filter(({ id }) => kept.has(id)).map(({ id }) => id);
    all(`Remove its ${here.length} ${here.length === 1 ? "edge" : "edges"}`, here, false);
    const gone = own.filter(({ id }) => choice.base.has(id) && !kept.has(id)).map(({ id }) => id);
    all("Put back", gone, true);
    const list = html("ul", { class: "edge-list" }, this.body);
    for (const edge of own) {
      const label = html("label", {}, html("li", {}, list));
      const box = html("input", { type: "checkbox" }, label);
      box.checked = kept.has(edge.id);
      box.addEventListener("change", () => {
        choice.keep([edge.id], box.checked);
        this.on.changed();
      });
      html("span", { class: "share", text: shareInWords(edge) }, label);
      html("span", { text: benchEdgeName(bench, edge) }, label);
      label.title = edge.name;
    }
  }
}
