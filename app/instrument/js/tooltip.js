// @ts-check
// One tooltip for the whole instrument, in words.

import { html } from "./elements.js";
import { clamp } from "./numbers.js";
import { Reach } from "./reach.js";

export class Tooltip {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.box = html("div", { class: "tooltip", role: "tooltip" }, root);
    this.reach = new Reach(root, this);
  }

  /**
   * @param {{ clientX: number, clientY: number }} event
   * @param {string} text
   */
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

  /**
   * Words for an element that is hovered, or has the focus.
   * @param {HTMLElement | SVGElement} element
   * @param {() => string} words
   */
  on(element, words) {
    this.hover(element, words);
    this.reach.add(element, words);
  }

  /**
   * Words for a part of a button: the button is reached by keyboard, and its parts are not.
   * @param {HTMLElement | SVGElement} element
   * @param {() => string} words
   */
  hover(element, words) {
    element.addEventListener("mousemove", (event) => {
      this.show(/** @type {MouseEvent} */ (event), words());
    });
    element.addEventListener("mouseleave", () => this.hide());
  }
}
