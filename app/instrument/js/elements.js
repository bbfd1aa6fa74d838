// What panels are made of: elements with attributes, a box with a title, a tooltip.

import { clamp } from "./numbers.js";

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value);
  }
  return element;
}

export function html(tag, attributes = {}, parent = null) {
  const element = setAttributes(document.createElement(tag), attributes);
  if (parent) parent.appendChild(element);
  return element;
}

export function svg(tag, attributes = {}, parent = null) {
  const element = setAttributes(document.createElementNS(SVG_NAMESPACE, tag), attributes);
  if (parent) parent.appendChild(element);
  return element;
}

// The whole page of an instrument fits 800 pixels; a higher window (a projector) is made use of.
export function highOn(pixels) {
  return Math.round(pixels * clamp((window.innerHeight - 120) / 680, 1, 1.45));
}

// One tooltip for the whole instrument, in words.
export class Tooltip {
  constructor(root) {
    this.root = root;
    this.box = html("div", { class: "tooltip", role: "tooltip" }, root);
  }

  show(event, text) {
    this.box.textContent = text;
    this.box.style.display = "block";
    const frame = this.root.getBoundingClientRect();
    const size = this.box.getBoundingClientRect();
    const left = clamp(event.clientX - frame.left + 14, 4, frame.width - size.width - 4);
    let top = event.clientY - frame.top + 16;
    if (event.clientY + 24 + size.height > window.innerHeight) top -= size.height + 28;
    this.box.style.left = `${left}px`;
    this.box.style.top = `${top}px`;
  }

  hide() {
    this.box.style.display = "none";
  }

  on(element, words) {
    element.addEventListener("mousemove", (event) => this.show(event, words()));
    element.addEventListener("mouseleave", () => this.hide());
  }
}

export function panel(parent, className, title, hint = "") {
  const box = html("section", { class: `panel ${className}` }, parent);
  const head = html("div", { class: "panel-head" }, box);
  const heading = html("h3", { text: title }, head);
  const note = html("span", { class: "panel-note", text: hint }, head);
  const body = html("div", { class: "panel-body" }, box);
  return { box, head, heading, note, body };
}
