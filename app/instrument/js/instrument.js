// @ts-check
// One instrument: the timeline, and a page that follows it.

import { Axis } from "./axis.js";
import { Palette } from "./colours.js";
import { RunData } from "./dataset.js";
import { backgroundOf, hostOf, html } from "./elements.js";
import { Formation } from "./formation.js";
import { movesTimeline } from "./keys.js";
import { isStacked } from "./layout.js";
import { Modes } from "./modes.js";
import { measureLike, onNewFonts } from "./names.js";
import { PAGES } from "./pages.js";
import { Playhead } from "./playhead.js";
import { splitButtons } from "./split_buttons.js";
import { Timeline } from "./timeline.js";
import { Tooltip } from "./tooltip.js";

/** @import { Component, Context, Header } from "./context.js" */
/** @import { Payload } from "./payload.js" */

const CHOOSES = new Set(["formation", "heads"]); // where a split can be chosen

export class Instrument {
  /**
   * @param {Element | ShadowRoot} parent
   * @param {Header} header
   * @param {Payload} raw
   * @param {Component} component
   * @param {Instrument | null} before Which it takes the place of, if that showed the same run.
   */
  constructor(parent, header, raw, component, before = null) {
    this.parent = parent;
    this.component = component;
    this.width = 0;
    this.background = "";
    /** @type {number | null} */
    this.reported = null;
    /** @type {HTMLElement[]} */
    this.splits = [];
    this.leaveSlices = () => {};
    this.header = header;
    this.root = html(
      "div",
      { class: `instrument page-${header.page}`, "data-page": header.page },
      parent,
    );
    this.tooltip = new Tooltip(this.root);
    const data = new RunData(raw);
    const playhead = new Playhead(data.steps, 0, (step) => this.settled(step));
    playhead.index = playhead.nearest(
      before ? before.stepToKeep(header) : (header.step ?? data.steps[data.steps.length - 1]),
    );
    const kept = before?.context;
    const wanted = kept ? kept.split : header.split;
    const splits = data.splits.filter((s) => data.bySplit[s.name]);
    /** @type {Context} */
    this.context = {
      root: this.root,
      data,
      playhead,
      metrics: data.metrics,
      phases: data.phases,
      axis: new Axis(data.steps, data.metrics, data.unit),
      split: splits.some((s) => s.name === wanted) ? wanted : (splits[0] || data.splits[0]).name,
      circuit: kept ? kept.circuit : header.circuit,
      keep: () =>
        this.component.setStateValue("kept", {
          split: this.context.split,
          circuit: this.context.circuit,
          tour: this.context.tour,
          present: this.context.present,
        }),
      tour: null,
      present: null,
      curved: header.page === "formation" || header.page === "compare",
      smoothing: kept ? kept.smoothing : 0,
      chosen: { kind: "none", l: 0, p: 0 },
      select: () => {},
      edgeName: () => "",
      tooltip: this.tooltip,
      palette: new Palette(hostOf(parent), data.colours),
      rebuild: () => this.build(),
      goTo: (place) => this.goTo(place),
      send: (name, value) => this.component.setTriggerValue(name, value),
      splitButtons: (bar) => this.splitButtons(CHOOSES.has(header.page) ? splits : [], bar),
    };
    if (before) this.takeOver(before);
    this.timeline = new Timeline(this.root, this.context);
    this.page = PAGES[header.page](this.root, this.context, header);
    this.modes = new Modes(this.context, this.timeline, this.page);
    playhead.follow(() => {
      this.root.dataset.step = String(playhead.step);
      this.root.dataset.drawn = String(playhead.drawn);
      this.context.tooltip.reach.later();
    });
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.root);
    this.leaveFonts = onNewFonts(() => this.build());
    /** @type {(event: KeyboardEvent) => void} */
    this.onKey = (event) => {
      if (!this.modes.key(event) && movesTimeline(event)) playhead.key(event);
    };
    document.addEventListener("keydown", this.onKey);
    this.build();
    if (before) this.page.goOnFrom?.(before.page);
    this.modes.follow(header);
    if (kept?.playhead.playing) playhead.play();
  }

  // A run that is being trained has grown: whoever stands at its newest step goes on with it.
  /** @param {Header} header */
  stepToKeep(header) {
    const step = this.context.playhead.step;
    const follows = step === this.header.step && !this.context.playhead.playing;
    return follows ? (header.step ?? step) : step;
  }

  /** @param {Instrument} before */
  takeOver(before) {
    const { axis, playhead } = this.context,
      { mode } = before.context.axis;
    if (axis.available(mode)) axis.mode = mode;
    playhead.speed = before.context.playhead.speed;
  }

  /**
   * @param {Payload["splits"]} splits
   * @param {HTMLElement} bar
   */
  splitButtons(splits, bar) {
    this.splits = splitButtons(splits, bar, this.context, (name) => this.showSplit(name));
  }

  /** @param {string} name */
  showSplit(name) {
    const button = this.splits.find((other) => other.dataset.split === name);
    if (!button || name === this.context.split) return;
    this.context.split = name;
    for (const other of this.splits) {
      other.setAttribute("aria-checked", String(other === button));
    }
    this.page.splitChanged();
    this.context.playhead.redraw();
  }

  /** @param {number} step */
  settled(step) {
    if (step === this.reported) return;
    this.reported = step;
    this.component.setStateValue("step", step);
  }

  resized() {
    const width = Math.floor(this.root.clientWidth);
    if (width > 100 && width !== this.width) this.build();
  }

  build() {
    this.width = Math.floor(this.root.clientWidth);
    if (this.width <= 100) return;
    measureLike(this.root);
    this.context.palette = new Palette(hostOf(this.parent), this.context.data.colours);
    this.root.classList.toggle("dark", this.context.palette.dark);
    this.root.classList.toggle("stacked", isStacked(this.width));
    this.timeline.build(this.modes.roomForTimeline(this.width));
    this.page.build(this.width);
    this.modes.layOut();
    this.root.dataset.step = String(this.context.playhead.step);
    this.root.dataset.ready = "true";
    this.root.dataset.content = this.header.id;
  }

  /**
   * @param {Header} header
   * @param {Component} component
   */
  update(header, component) {
    this.component = component;
    const background = backgroundOf(this.parent);
    if (background !== this.background) {
      this.background = background;
      this.build();
    }
    if (header.jump !== this.header.jump) {
      this.goTo(header);
      this.settled(this.context.playhead.step); // else the way back from here would not be told
      this.modes.follow(header);
    }
    this.header = header;
    this.page.told?.(header);
  }

  /** @param {Pick<Header, "step" | "split" | "circuit">} place In the address that was given. */
  goTo({ step, split, circuit }) {
    if (step !== null) this.context.playhead.to(this.context.playhead.nearest(step), false);
    this.showSplit(split);
    if (this.page instanceof Formation) this.page.discovered?.show(circuit === "edges");
  }

  remove() {
    this.context.playhead.stop();
    this.context.tooltip.reach.stop();
    this.observer.disconnect();
    document.removeEventListener("keydown", this.onKey);
    this.leaveFonts();
    this.leaveSlices();
    this.root.remove();
  }
}
