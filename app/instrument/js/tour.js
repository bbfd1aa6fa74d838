// @ts-check
// The guided tour: a strip under the timeline with one sentence for each of its stops.

import { html, setAttributes } from "./elements.js";
import { clamp, grouped } from "./numbers.js";

/** @import { Context } from "./context.js" */
/** @import { Tour } from "./payload.js" */

export class TourStrip {
  /**
   * @param {Element} parent
   * @param {Context} context
   * @param {Tour} tour
   * @param {() => void} laidOut Called when the strip has come or gone.
   */
  constructor(parent, context, tour, laidOut) {
    this.context = context;
    this.stops = tour.stops;
    this.laidOut = laidOut;
    /** @type {number | null} */
    this.at = null;
    this.box = html("aside", { class: "tour", "aria-label": "Guided tour", hidden: true }, parent);
    const head = html("div", { class: "tour-head" }, this.box);
    this.dots = this.stops.map(({ title }, i) => {
      const said = { "aria-label": `Stop ${i + 1}: ${title}`, title, text: i + 1 };
      const dot = html("button", { class: "tour-dot", ...said }, head);
      dot.onclick = () => this.goTo(i);
      return dot;
    });
    this.title = html("strong", {}, head);
    this.place = html("button", { title: "Go back to where this was measured" }, head);
    this.place.onclick = () => this.move();
    this.back = this.button(head, "Back", () => this.goTo((this.at ?? 0) - 1));
    this.next = this.button(head, "Next", () => this.goTo((this.at ?? 0) + 1));
    this.button(head, "Leave the tour", () => this.leave());
    this.text = html("p", { "aria-live": "polite" }, this.box);
  }

  /**
   * @param {Element} head
   * @param {string} text
   * @param {() => void} pressed
   */
  button(head, text, pressed) {
    const button = html("button", { text }, head);
    button.onclick = pressed;
    return button;
  }

  /** @param {number} index */
  goTo(index) {
    this.show(index);
    this.move();
    this.context.keep();
  }

  leave() {
    this.show(null);
    this.context.keep();
  }

  /** @param {number | null} index */
  show(index) {
    const before = this.at;
    this.at = index === null ? null : clamp(index, 0, this.stops.length - 1);
    this.context.tour = this.at === null ? null : this.at + 1;
    setAttributes(this.box, { hidden: this.at === null });
    if (this.at !== null) this.draw(this.at);
    if ((before === null) !== (this.at === null)) this.laidOut();
  }

  /** @param {number} at */
  draw(at) {
    const { title, step, text } = this.stops[at];
    setAttributes(this.title, { text: title });
    setAttributes(this.place, { text: `step ${grouped(step)}` });
    setAttributes(this.text, { text });
    setAttributes(this.back, { disabled: at === 0 });
    setAttributes(this.next, { disabled: at === this.stops.length - 1 });
    this.dots.forEach((dot, i) => setAttributes(dot, { "aria-current": i === at && "step" }));
  }

  move() {
    if (this.at === null) return;
    const { step, split, circuit } = this.stops[this.at],
      { playhead } = this.context;
    if (playhead.playing) playhead.pause();
    playhead.to(playhead.nearest(step));
    this.context.goTo({ step: null, split, circuit });
  }
}
