// @ts-check
// The one position in training that everything on a page follows.

import { nearestIndex } from "./layout.js";
import { clamp } from "./numbers.js";

export const SPEEDS = [2, 5, 10, 20]; // checkpoints per second

// Holds the index of the current checkpoint, plays, and tells panels at most once per frame.
export class Playhead {
  /**
   * @param {number[]} steps
   * @param {number} index
   * @param {(step: number) => void} settled Called when the movement has come to rest.
   */
  constructor(steps, index, settled) {
    this.steps = steps;
    this.index = clamp(index, 0, steps.length - 1);
    this.settled = settled;
    /** @type {((index: number) => void)[]} */
    this.panels = [];
    this.drawn = 0;
    this.speed = 10;
    /** @type {object | null} */
    this.playing = null;
    /** @type {number | null} */
    this.frame = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  get step() {
    return this.steps[this.index];
  }

  /** @param {(index: number) => void} draw */
  follow(draw) {
    this.panels.push(draw);
  }

  /** @param {number} index */
  to(index, fromUser = true) {
    const wanted = clamp(Math.round(index), 0, this.steps.length - 1);
    if (wanted === this.index) return;
    this.index = wanted;
    this.redraw();
    if (fromUser) this.settleLater();
  }

  redraw() {
    if (this.frame !== null) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.drawn += 1;
      for (const draw of this.panels) draw(this.index);
    });
  }

  settleLater() {
    clearTimeout(this.timer);
    if (this.playing) return;
    this.timer = setTimeout(() => this.settled(this.step), 350);
  }

  /** @param {number} step */
  nearest(step) {
    return nearestIndex(this.steps, step);
  }

  /**
   * The first checkpoint at which what happened at a step has happened.
   * @param {number} step
   */
  since(step) {
    const found = this.steps.findIndex((at) => at >= step);
    return found < 0 ? this.steps.length - 1 : found;
  }

  play() {
    if (this.index === this.steps.length - 1) this.to(0);
    const from = performance.now(),
      start = this.index;
    const token = {};
    this.playing = token;
    /** @param {number} now */
    const advance = (now) => {
      if (this.playing !== token) return;
      this.to(start + Math.floor(((now - from) / 1000) * this.speed));
      if (this.index === this.steps.length - 1) this.pause();
      else requestAnimationFrame(advance);
    };
    requestAnimationFrame(advance);
    this.redraw();
  }

  pause() {
    this.playing = null;
    this.settleLater();
    this.redraw();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const page = Math.max(1, Math.round(this.steps.length / 10));
    /** @type {Record<string, number>} */
    const moves = {
      ArrowLeft: this.index - 1,
      ArrowRight: this.index + 1,
      PageDown: this.index - page,
      PageUp: this.index + page,
      Home: 0,
      End: this.steps.length - 1,
    };
    if (event.key === " ") this.toggle();
    else if (event.key in moves) {
      if (this.playing) this.pause();
      this.to(moves[event.key]);
    } else return;
    event.preventDefault();
  }

  stop() {
    this.playing = null;
    clearTimeout(this.timer);
    if (this.frame !== null) cancelAnimationFrame(this.frame);
  }
}
