// @ts-check
// What a page can be besides a page: a guided tour, and a presentation. Both are in the address.

import { html } from "./elements.js";
import { Presentation } from "./present.js";
import { TourStrip } from "./tour.js";

/** @import { Context, Header, Page } from "./context.js" */
/** @import { Timeline } from "./timeline.js" */

export class Modes {
  /**
   * @param {Context} context
   * @param {Timeline} timeline
   * @param {Page} page
   */
  constructor(context, timeline, page) {
    this.context = context;
    this.presentation = new Presentation(context, page);
    const { tour } = context.data,
      told = tour?.stops.length ? tour : null;
    this.tour = told
      ? new TourStrip(timeline.box, context, told, () => context.present && context.rebuild())
      : null;
    const { tools } = timeline.bar;
    if (told && told.stops.length >= told.least) {
      const take = html("button", { class: "mode", text: "Guided tour" }, tools);
      take.onclick = () => this.tour?.goTo(0);
    }
    if (!page.presented) return;
    const present = html("button", { class: "mode", text: "Present" }, tools);
    present.title = "One panel, as large as the window: arrow keys for step and panel, Esc leaves";
    present.onclick = () => this.presentation.turn(1);
  }

  /** @param {number} width Of the instrument. */
  roomForTimeline(width) {
    return this.presentation.roomForTimeline(width);
  }

  // What the address says, when the page is entered and when the address is changed.
  /** @param {Partial<Header>} header */
  follow({ tour, present }) {
    this.tour?.show(tour ? tour - 1 : null);
    // an address with a stop alone, without a step, opens at the end of the timeline
    const { index, steps } = this.context.playhead;
    if (tour && index === steps.length - 1) this.tour?.move();
    this.presentation.show(present ?? null);
  }

  layOut() {
    this.presentation.layOut();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (this.presentation.key(event)) return true;
    if (event.key !== "Escape" || !this.tour || this.tour.at === null) return false;
    this.tour.leave();
    return true;
  }
}
