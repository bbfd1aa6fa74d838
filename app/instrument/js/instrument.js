// One instrument: the timeline, and a page that follows it.

import { Axis } from "./axis.js";
import { Palette } from "./colours.js";
import { RunData } from "./dataset.js";
import { Tooltip, html, setAttributes } from "./elements.js";
import { CompareView } from "./compare.js";
import { Formation } from "./formation.js";
import { LabView } from "./lab.js";
import { QuestionView } from "./question.js";
import { measureLike } from "./names.js";
import { Playhead } from "./playhead.js";
import { Timeline } from "./timeline.js";

const PAGES = {
  formation: (root, context) => new Formation(root, context),
  question: (root, context) => new QuestionView(root, context),
  lab: (root, context) => new LabView(root, context),
  compare: (root, context) => new CompareView(root, context),
  compact: () => ({ build() {}, splitChanged() {} }),
};

export class Instrument {
  // before: the instrument that this one takes the place of, if it showed the same run (or null).
  constructor(parent, header, raw, component, before = null) {
    this.parent = parent;
    this.header = header;
    this.root = html(
      "div",
      { class: `instrument page-${header.page}`, "data-page": header.page },
      parent,
    );
    const data = new RunData(raw);
    const playhead = new Playhead(data.steps, 0, (step) => this.settled(step));
    playhead.index = playhead.nearest(
      before ? before.stepToKeep(header) : (header.step ?? data.steps.at(-1)),
    );
    const wanted = before ? before.context.split : header.split;
    const splits = data.splits.filter((s) => data.bySplit[s.name]);
    this.context = {
      root: this.root,
      data,
      playhead,
      metrics: data.metrics,
      phases: data.phases || [],
      axis: new Axis(data.steps, data.metrics),
      split: splits.some((s) => s.name === wanted) ? wanted : (splits[0] || data.splits[0]).name,
      circuit: before ? before.context.circuit : header.circuit,
      keep: () =>
        this.component.setStateValue("kept", {
          split: this.context.split,
          circuit: this.context.circuit,
        }),
      tooltip: new Tooltip(this.root),
      palette: new Palette(parent.host || parent, data.colours),
      rebuild: () => this.build(),
      send: (name, value) => this.component.setTriggerValue(name, value),
      splitButtons: (bar) => {
        this.bar = bar;
        this.splitButtons(header.page === "formation" ? splits : []);
      },
    };
    if (before) this.takeOver(before);
    this.component = component;
    this.timeline = new Timeline(this.root, this.context);
    this.page = PAGES[header.page](this.root, this.context);
    playhead.follow(() => {
      this.root.dataset.step = playhead.step;
      this.root.dataset.drawn = playhead.drawn;
    });
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.root);
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    this.build();
    if (before && before.context.playhead.playing) playhead.play();
  }

  // A run that is being trained has grown: whoever stands at its newest step goes on with it.
  stepToKeep(header) {
    const step = this.context.playhead.step;
    return step === this.header.step && !this.context.playhead.playing ? header.step : step;
  }

  takeOver(before) {
    const { axis, playhead } = this.context,
      { mode } = before.context.axis;
    if (axis.available(mode)) axis.mode = mode;
    playhead.speed = before.context.playhead.speed;
  }

  // Keys work wherever nothing else wants them, so that the page is an instrument from the start.
  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const target = event.composedPath()[0];
    const free = target === document.body || (target.closest && target.closest(".track"));
    const scrolls =
      target.closest &&
      target.closest("[data-testid=stMain]") &&
      !target.closest("input,select,textarea,button,[role]");
    // a button of the instrument itself wants only what presses it
    const button =
      target.closest && target.closest(".instrument button") && ![" ", "Enter"].includes(event.key);
    if (free || button || scrolls) this.context.playhead.key(event);
  }

  splitButtons(splits) {
    for (const split of splits) {
      const button = html(
        "button",
        {
          class: "split",
          role: "radio",
          "data-split": split.name,
          "aria-checked": split.name === this.context.split,
          text: split.label,
          title: split.about,
        },
        this.bar,
      );
      button.onclick = () => {
        this.showSplit(split.name);
        this.context.keep();
      };
    }
  }

  showSplit(name) {
    const button = [...this.bar.children].find((other) => other.dataset.split === name);
    if (!button || name === this.context.split) return;
    this.context.split = name;
    for (const other of this.bar.children)
      setAttributes(other, { "aria-checked": other === button });
    this.page.splitChanged();
    this.context.playhead.redraw();
  }

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
    this.context.palette = new Palette(this.parent.host || this.parent, this.context.data.colours);
    this.root.classList.toggle("dark", this.context.palette.dark);
    this.timeline.build(this.width - 24);
    this.page.build(this.width);
    this.root.dataset.step = this.context.playhead.step;
    this.root.dataset.ready = "true";
    this.root.dataset.content = this.header.id;
  }

  update(header, component) {
    this.component = component;
    const background = getComputedStyle(this.parent.host || this.parent).getPropertyValue(
      "--st-background-color",
    );
    if (background !== this.background) {
      this.background = background;
      this.build();
    }
    if (header.jump !== this.header.jump) this.goTo(header);
    this.header = header;
  }

  // The address was changed.
  goTo({ step, split, circuit }) {
    if (step !== null) this.context.playhead.to(this.context.playhead.nearest(step), false);
    this.showSplit(split);
    if (this.page.discovered) this.page.discovered.show(circuit === "edges");
  }

  remove() {
    this.context.playhead.stop();
    this.observer.disconnect();
    document.removeEventListener("keydown", this.onKey);
    this.root.remove();
  }
}
