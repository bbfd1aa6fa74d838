// @ts-check
// The timeline: a track to drag the cursor on, with the checkpoints, phases and accuracy.

import { html, setAttributes, svg } from "./elements.js";
import { nearestIndex, pointsOf } from "./layout.js";
import { grouped } from "./numbers.js";
import { timeTicks } from "./ticks.js";
import { TimelineBar } from "./timeline_bar.js";

/** @import { Context } from "./context.js" */

const LEFT = 12; // pixels on either side of the track
const LINE = 38; // height of its line
const CROSS = 12; // height of marks of a check

export class Timeline {
  /**
   * @param {Element} parent
   * @param {Context} context
   */
  constructor(parent, context) {
    this.context = context;
    this.playhead = context.playhead;
    this.places = [0];
    this.inner = 0;
    const { steps } = this.playhead;
    this.box = html("div", { class: "timeline" }, parent);
    this.bar = new TimelineBar(this.box, context);
    const slider = { class: "track", role: "slider", tabindex: "0" };
    const range = { "aria-valuemin": steps[0], "aria-valuemax": steps.at(-1) };
    this.track = html("div", { ...slider, "aria-label": "Training step", ...range }, this.box);
    this.canvas = svg("svg", { class: "track-svg", height: 58 }, this.track);
    this.cursor = svg("g");
    this.listen();
    this.playhead.follow(() => this.draw());
  }

  listen() {
    let dragging = false;
    /** @param {PointerEvent} event */
    const move = (event) => {
      const frame = this.canvas.getBoundingClientRect();
      const larger = frame.width / (this.inner + 2 * LEFT); // in a presentation
      const wanted = ((event.clientX - frame.left) / larger - LEFT) / this.inner;
      this.playhead.to(nearestIndex(this.places, wanted));
    };
    const end = () => {
      dragging = false;
    };
    this.track.addEventListener("pointerdown", (event) => {
      if (this.playhead.playing) this.playhead.pause();
      this.track.setPointerCapture(event.pointerId);
      dragging = true;
      move(event);
    });
    this.track.addEventListener("pointermove", (event) => {
      if (dragging) move(event);
    });
    this.track.addEventListener("pointerup", end);
    this.track.addEventListener("pointercancel", end);
  }

  // Everything that does not move with the step; again after a resize or a change of axis.
  /** @param {number} width */
  build(width) {
    const { axis, palette } = this.context,
      { steps } = this.playhead;
    this.canvas.replaceChildren();
    this.inner = width - 2 * LEFT;
    setAttributes(this.canvas, { width });
    /** @param {number} step */
    const x = (step) => LEFT + this.inner * axis.place(step);
    this.places = steps.map((step) => axis.place(step));
    this.sparkline(x);
    const whole = { x1: LEFT, x2: LEFT + this.inner, y1: LINE, y2: LINE };
    svg("line", { ...whole, stroke: palette.grey(0.35), "stroke-width": 2 }, this.canvas);
    for (const at of steps.map(x)) {
      const mark = { x1: at, x2: at, y1: LINE - 4, y2: LINE + 4 };
      svg("line", { ...mark, stroke: palette.grey(0.3) }, this.canvas);
    }
    timeTicks(this.canvas, axis, palette, x, 55, 30);
    this.phases(x);
    this.cursor = svg("g", {}, this.canvas);
    const pole = { x1: 0, x2: 0, y1: 2, y2: 44, stroke: palette.grey(1), "stroke-width": 1.5 };
    svg("line", pole, this.cursor);
    const head = { cx: 0, cy: LINE, r: 8, fill: palette.of("cursor"), stroke: palette.grey(0) };
    svg("circle", { ...head, "stroke-width": 2 }, this.cursor);
    this.checked(x);
    this.draw();
  }

  /** @param {(step: number) => number} x */
  phases(x) {
    const { phases, palette, tooltip } = this.context,
      colour = palette.of("phase");
    for (const { span } of phases) {
      if (!span) continue;
      const ends = { x1: x(span[0]), x2: x(span[1]), y1: LINE, y2: LINE };
      svg("line", { ...ends, stroke: colour, "stroke-width": 4 }, this.canvas);
    }
    for (const { name, step, text, dated } of phases) {
      if (!dated) continue;
      const d = `M${x(step)},27 l-5,-8 h10 z`;
      const mark = svg("path", { d, fill: colour, class: "mark" }, this.canvas);
      tooltip.on(mark, () => `${name}, step ${grouped(step)}: ${text}`);
      mark.addEventListener("pointerdown", (event) => {
        event.stopPropagation();
        this.playhead.to(this.playhead.since(step));
      });
    }
  }

  // Steps that `hopscope check` found something wrong with: a cross above the cursor's head.
  /** @param {(step: number) => number} x */
  checked(x) {
    const { data, palette, tooltip } = this.context;
    for (const { step, text } of data.checked) {
      const d = `M${x(step) - 4},${CROSS - 4} l8,8 m0,-8 l-8,8`;
      const cross = { d, stroke: palette.of("negative"), "stroke-width": 2.5 };
      svg("path", { ...cross, fill: "none", "pointer-events": "none" }, this.canvas);
      const around = { cx: x(step), cy: CROSS, r: 8, fill: "transparent", class: "mark checked" };
      const mark = svg("circle", around, this.canvas);
      tooltip.on(mark, () => `Check, step ${grouped(step)}: ${text}.`);
    }
  }

  /** @param {(step: number) => number} x */
  sparkline(x) {
    const { metrics, palette } = this.context;
    for (const split of ["train_inferred", "id_test"]) {
      const values = metrics.accuracy[split];
      if (!values) continue;
      const ys = values.map((value) => (value === null ? null : 32 - 28 * value));
      const points = pointsOf(metrics.step.map(x), ys).join(" ");
      const opacity = palette.dark ? 0.85 : 0.55;
      const line = { points, fill: "none", opacity, stroke: palette.of(split) };
      svg("polyline", { ...line, "stroke-width": 1.5 }, this.canvas);
    }
  }

  draw() {
    const { step, index, steps } = this.playhead;
    const at = LEFT + this.inner * this.places[index];
    this.cursor.setAttribute("transform", `translate(${at.toFixed(1)},0)`);
    const check = this.context.data.checked.find((mark) => mark.step === step);
    const words =
      `step ${grouped(step)}, checkpoint ${index + 1} of ${steps.length}` +
      (check ? `; check: ${check.text}` : "");
    setAttributes(this.track, { "aria-valuenow": step, "aria-valuetext": words });
    this.bar.draw();
  }
}
