// @ts-check
// Presentation: one panel, as large as the window, in the browser's top layer.

import { html, setAttributes } from "./elements.js";
import { clamp } from "./numbers.js";

/** @import { Context, Page } from "./context.js" */

const LARGEST = 5; // times as large as on the page
const SMALLEST = 0.5; // a circuit of many layers is shown whole
const AROUND = 28; // pixels around the panel
const TIMELINE_LARGER = 1.5; // as in style.css
const PAD_OF_TRACK = 24;

export class Presentation {
  /**
   * @param {Context} context
   * @param {Page} page
   */
  constructor(context, page) {
    this.context = context;
    this.page = page;
    this.bar = html("div", { class: "present-bar", role: "group", "aria-label": "Presentation" });
    if (page.presented) context.root.append(this.bar);
    this.name = html("span", {}, this.bar);
    this.button("‹", "Panel before", () => this.turn(-1));
    this.button("›", "Next panel", () => this.turn(1));
    this.button("Leave (Esc)", "Leave the presentation", () => this.leave());
  }

  /**
   * @param {string} text
   * @param {string} label
   * @param {() => void} pressed
   */
  button(text, label, pressed) {
    html("button", { text, title: label, "aria-label": label }, this.bar).onclick = pressed;
  }

  get panels() {
    return this.page.presented?.() ?? {};
  }

  /** @param {number} width Of the instrument. */
  roomForTimeline(width) {
    const whole = width - PAD_OF_TRACK;
    return this.context.present ? (whole - 2 * AROUND) / TIMELINE_LARGER : whole;
  }

  /** @param {number} by */
  turn(by) {
    const names = Object.keys(this.panels),
      at = names.indexOf(this.context.present ?? "");
    this.show(names[(at + by + names.length) % names.length]);
    this.context.keep();
  }

  leave() {
    this.show(null);
    this.context.keep();
  }

  /** @param {string | null} wanted A panel's name; null ends the presentation. */
  show(wanted) {
    const { root } = this.context,
      names = Object.keys(this.panels);
    const name = wanted !== null && !names.includes(wanted) ? (names[0] ?? null) : wanted;
    if (name === this.context.present) return;
    this.context.present = name;
    root.classList.toggle("presenting", name !== null);
    if (name !== null) {
      root.setAttribute("popover", "manual");
      root.showPopover();
    } else {
      root.removeAttribute("popover"); // which takes it out of the top layer
    }
    for (const panel of Object.values(this.panels)) {
      panel.parts.box.classList.remove("presented");
      panel.parts.box.style.removeProperty("zoom");
      panel.parts.box.style.removeProperty("width");
    }
    this.context.rebuild();
  }

  // After everything has been built in its usual size.
  layOut() {
    const panel = this.panels[this.context.present ?? ""];
    if (!panel) return;
    const { box } = panel.parts;
    box.classList.add("presented");
    const at = Object.keys(this.panels).indexOf(this.context.present ?? "");
    this.name.textContent = `${at + 1} of ${Object.keys(this.panels).length}; ↑ ↓ panel, ← → step`;
    const wide = window.innerWidth - 2 * AROUND;
    const below = this.context.root.querySelector(".about")?.clientHeight ?? 0,
      under = Math.max(AROUND, below + 16); // there is said of how many questions
    const high = window.innerHeight - box.getBoundingClientRect().top - under;
    // its legend may take fewer lines when it is wide, so it is measured at the width it gets
    for (let turn = 0, size = 1; turn < 2; turn++) {
      setAttributes(box, { style: `width: ${Math.floor(wide / size)}px` });
      panel.build(Math.floor(wide / size) - 18);
      const most = Math.max(SMALLEST, Math.min(LARGEST, wide / (panel.least ?? 1)));
      size = clamp(high / box.offsetHeight, SMALLEST, most);
      if (turn) setAttributes(box, { style: `width: ${Math.floor(wide / size)}px; zoom: ${size}` });
      if (turn) panel.build(Math.floor(wide / size) - 18);
    }
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!this.context.present || event.ctrlKey || event.altKey || event.metaKey) return false;
    const target = event.composedPath()[0];
    const inside = target instanceof SVGElement && target.closest("[tabindex]");
    if (event.key === "Escape") this.leave();
    else if (event.key === "ArrowUp" && !inside) this.turn(-1);
    else if (event.key === "ArrowDown" && !inside) this.turn(1);
    else return false;
    event.preventDefault();
    return true;
  }
}
