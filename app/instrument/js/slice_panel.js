// @ts-check
// Entry point of the panel in which the questions of a slice are chosen. The instrument beside it
// shows a choice at once; the server, which keeps the address, is told.

import { html, setAttributes, setText } from "./elements.js";
import { choose, sliceStore } from "./slice_store.js";

/** @import { Component } from "./context.js" */
/** @import { SliceCondition, SlicePanel } from "./payload.js" */

/** @typedef {HTMLSelectElement | HTMLInputElement} Box */

const ANY = "any",
  TYPED = "any; type a name",
  NO_NOTE = { "aria-invalid": null, "aria-describedby": null };

class Panel {
  /** @param {Element | ShadowRoot} parent */
  constructor(parent) {
    this.root = html("div", { class: "slice-panel" }, /** @type {Element} */ (parent));
    /** @type {Map<string, Box>} */
    this.boxes = new Map();
    /** @type {Map<string, HTMLElement>} What is wrong with what was chosen in each box. */
    this.notes = new Map();
    this.kinds = "";
    this.tell = (/** @type {Record<string, string>} */ _) => {};
    this.note = html("p", { class: "note" });
    this.all = html("button", { type: "button", text: "All questions" });
    this.all.onclick = () => {
      for (const name of this.notes.keys()) this.say(name, "");
      this.tell({});
    };
  }

  /** @param {SlicePanel} said */
  show({ conditions, chosen, told, note }) {
    const kinds = JSON.stringify(conditions.map(({ name, label, typed }) => [name, label, typed]));
    if (kinds !== this.kinds) this.build(conditions);
    this.kinds = kinds;
    for (const condition of conditions) this.list(condition);
    setText(this.note, note);
    choose(chosen, told);
    this.draw();
  }

  /** @param {SliceCondition[]} conditions */
  build(conditions) {
    this.boxes.clear();
    this.notes.clear();
    this.root.replaceChildren();
    for (const { name, label, typed } of conditions) {
      const line = html("label", {}, this.root);
      html("span", { text: label }, line);
      const frame = html("span", {}, line),
        box = typed
          ? html("input", { type: "search", placeholder: TYPED, list: `names-${name}` }, frame)
          : html("select", {}, frame);
      if (typed) html("datalist", { id: `names-${name}` }, frame);
      box.onchange = () => this.changed(name, box.value.trim());
      this.boxes.set(name, box);
      const note = { class: "note", id: `about-${name}`, role: "status" };
      this.notes.set(name, html("p", note, this.root));
    }
    this.root.append(this.note, this.all);
  }

  // The values to choose from, where they are other ones than before.
  /** @param {SliceCondition} condition */
  list({ name, options, typed, note }) {
    const box = this.boxes.get(name),
      said = JSON.stringify(options);
    this.say(name, note);
    if (!box || box.dataset.listed === said) return;
    const list = typed ? (box.nextElementSibling ?? box) : box;
    list.replaceChildren();
    if (!typed) html("option", { value: "", text: ANY }, list);
    for (const [value, text] of options) html("option", { value, text }, list);
    box.dataset.listed = said;
  }

  /**
   * @param {string} name
   * @param {string} note
   */
  say(name, note) {
    const place = this.notes.get(name),
      about = note ? { "aria-invalid": "true", "aria-describedby": `about-${name}` } : NO_NOTE;
    if (place) setText(place, note);
    if (place) setAttributes(/** @type {Box} */ (this.boxes.get(name)), about);
  }

  /**
   * @param {string} name
   * @param {string} value "" takes the condition away.
   */
  changed(name, value) {
    const { [name]: _, ...others } = sliceStore().chosen;
    this.say(name, "");
    this.tell(value ? { ...others, [name]: value } : others);
  }

  // The conditions that hold, each in its box.
  draw() {
    const { chosen } = sliceStore();
    for (const [name, box] of this.boxes) {
      const value = chosen[name] ?? "";
      if (box.value !== value) box.value = value;
      setAttributes(box, { class: value ? "chosen" : null });
    }
    this.all.disabled = !Object.keys(chosen).length;
  }
}

/** @type {WeakMap<Component["parentElement"], Panel>} */
const panels = new WeakMap();

/** @param {Component} component */
export default function showPanel({ data, parentElement, setStateValue }) {
  const shown = panels.get(parentElement) ?? new Panel(parentElement);
  panels.set(parentElement, shown);
  shown.tell = (conditions) => {
    const told = sliceStore().told + 1;
    choose(conditions, told);
    shown.draw();
    setStateValue("chosen", { conditions, told });
  };
  shown.show(JSON.parse(new TextDecoder().decode(data)));
}
