// @ts-check
// The buttons over the timeline: play and pause, speed, axis, phases to jump to, splits.

import { AXES } from "./axis.js";
import { html, setAttributes } from "./elements.js";
import { grouped } from "./numbers.js";
import { SPEEDS } from "./playhead.js";
import { SMOOTHING } from "./smoothing.js";

/** @import { Context } from "./context.js" */

export class TimelineBar {
  /**
   * @param {Element} parent
   * @param {Context} context
   */
  constructor(parent, context) {
    this.context = context;
    const { playhead, axis } = context;
    const bar = html("div", { class: "bar" }, parent);
    this.playButton = html("button", { class: "play", "aria-label": "Play" }, bar);
    this.playButton.onclick = () => playhead.toggle();
    const speeds = SPEEDS.map((speed) => [String(speed), `${speed}/s`]);
    this.choice(bar, "Speed", speeds, String(playhead.speed), (value) => {
      playhead.speed = Number(value);
    });
    const axes = Object.entries(AXES).filter(([mode]) => axis.available(mode));
    this.choice(bar, "Timeline axis", axes, axis.mode, (value) => {
      axis.mode = value;
      context.rebuild();
    });
    if (context.curved) {
      const weights = Object.entries(SMOOTHING);
      this.choice(bar, "Smoothing of curves", weights, String(context.smoothing), (value) => {
        context.smoothing = Number(value);
        context.rebuild();
      });
    }
    this.readout = html("div", { class: "readout" }, bar);
    const phases = html("div", { class: "phases" }, bar);
    for (const { step, text, name, dated } of context.phases) {
      if (!dated) {
        const said = { class: "undated", role: "note", text: `${name}: not seen` };
        const note = html("span", said, phases);
        context.tooltip.on(note, () => `${name}: ${text}.`);
        continue;
      }
      const jump = html("button", { class: "phase", title: text, text: name }, phases);
      jump.onclick = () => playhead.to(playhead.since(step));
    }
    this.tools = html("div", { class: "tools" }, bar);
    const group = { class: "splits", role: "radiogroup", "aria-label": "Split" };
    context.splitButtons(html("div", group, bar));
  }

  /**
   * @param {Element} parent
   * @param {string} label
   * @param {string[][]} options Value and text of each.
   * @param {string} chosen
   * @param {(value: string) => void} take
   */
  choice(parent, label, options, chosen, take) {
    const select = html("select", { "aria-label": label, title: label }, parent);
    for (const [value, text] of options) {
      html("option", { value, text }, select).selected = value === chosen;
    }
    select.onchange = () => take(select.value);
  }

  draw() {
    const { playhead, data } = this.context,
      { step, index, steps } = playhead;
    const text = data.unit === "ID accuracy %" ? `ID accuracy ${step}%` : `step ${grouped(step)}`;
    setAttributes(this.readout, { text, title: `checkpoint ${index + 1} of ${steps.length}` });
    const playing = Boolean(playhead.playing);
    if (this.playButton.dataset.playing !== String(playing)) {
      this.playButton.dataset.playing = String(playing);
      this.playButton.textContent = playing ? "❚❚" : "▶";
      setAttributes(this.playButton, { "aria-label": playing ? "Pause" : "Play" });
    }
  }
}
