// The timeline control: drag, click, keys, play and pause, speed, axis, phases to jump to.

import { AXES } from "./axis.js";
import { html, setAttributes, svg } from "./elements.js";
import { grouped } from "./numbers.js";
import { SPEEDS } from "./playhead.js";

export class Timeline {
  constructor(parent, context) {
    this.context = context;
    this.playhead = context.playhead;
    this.box = html("div", { class: "timeline" }, parent);
    this.controls();
    this.track = html(
      "div",
      {
        class: "track",
        role: "slider",
        tabindex: "0",
        "aria-label": "Training step",
        "aria-valuemin": this.playhead.steps[0],
        "aria-valuemax": this.playhead.steps.at(-1),
      },
      this.box,
    );
    this.canvas = svg("svg", { class: "track-svg", height: 58 }, this.track);
    this.listen();
    this.playhead.follow(() => this.draw());
  }

  controls() {
    const bar = html("div", { class: "bar" }, this.box);
    this.playButton = html("button", { class: "play", "aria-label": "Play" }, bar);
    this.playButton.onclick = () => this.playhead.toggle();
    this.speed = this.choice(
      bar,
      "Speed",
      SPEEDS.map((s) => [s, `${s}/s`]),
      this.playhead.speed,
    );
    this.speed.onchange = () => {
      this.playhead.speed = Number(this.speed.value);
    };
    const axes = Object.entries(AXES).filter(([mode]) => this.context.axis.available(mode));
    this.axisChoice = this.choice(bar, "Timeline axis", axes, this.context.axis.mode);
    this.axisChoice.onchange = () => {
      this.context.axis.mode = this.axisChoice.value;
      this.context.rebuild();
    };
    this.readout = html("div", { class: "readout" }, bar);
    this.phaseBar = html("div", { class: "phases" }, bar);
    for (const phase of this.context.phases) {
      const jump = html(
        "button",
        { class: "phase", title: phase.text, text: phase.name },
        this.phaseBar,
      );
      jump.onclick = () => this.playhead.to(this.playhead.nearest(phase.step));
    }
    this.splitBar = html("div", { class: "splits", role: "radiogroup" }, bar);
    this.context.splitButtons(this.splitBar);
  }

  choice(parent, label, options, chosen) {
    const select = html("select", { "aria-label": label, title: label }, parent);
    for (const [value, text] of options) {
      const option = html("option", { value, text }, select);
      option.selected = String(value) === String(chosen);
    }
    return select;
  }

  listen() {
    const move = (event) => {
      const frame = this.canvas.getBoundingClientRect();
      const wanted = (event.clientX - frame.left - this.left) / this.inner;
      let best = 0,
        distance = Infinity;
      this.places.forEach((place, i) => {
        if (Math.abs(place - wanted) < distance) {
          best = i;
          distance = Math.abs(place - wanted);
        }
      });
      this.playhead.to(best);
    };
    this.track.addEventListener("pointerdown", (event) => {
      if (this.playhead.playing) this.playhead.pause();
      this.track.setPointerCapture(event.pointerId);
      this.dragging = true;
      move(event);
    });
    this.track.addEventListener("pointermove", (event) => {
      if (this.dragging) move(event);
    });
    this.track.addEventListener("pointerup", () => {
      this.dragging = false;
    });
    this.track.addEventListener("pointercancel", () => {
      this.dragging = false;
    });
  }

  // Everything that does not move with the step; again after a resize or a change of axis.
  build(width) {
    const { axis, palette, metrics } = this.context;
    this.canvas.replaceChildren();
    this.left = 12;
    this.inner = width - 24;
    setAttributes(this.canvas, { width });
    const x = (step) => this.left + this.inner * axis.place(step);
    this.places = this.playhead.steps.map((step) => axis.place(step));
    this.sparkline(x, metrics, palette);
    svg(
      "line",
      {
        x1: this.left,
        x2: this.left + this.inner,
        y1: 38,
        y2: 38,
        stroke: palette.grey(0.35),
        "stroke-width": 2,
      },
      this.canvas,
    );
    for (const step of this.playhead.steps) {
      svg(
        "line",
        { x1: x(step), x2: x(step), y1: 34, y2: 42, stroke: palette.grey(0.3) },
        this.canvas,
      );
    }
    this.tickLabels(x, axis, palette);
    for (const { span } of this.context.phases) {
      if (span)
        svg(
          "line",
          {
            x1: x(span[0]),
            x2: x(span[1]),
            y1: 38,
            y2: 38,
            stroke: palette.of("phase"),
            "stroke-width": 4,
          },
          this.canvas,
        );
    }
    for (const phase of this.context.phases) {
      const mark = svg(
        "path",
        {
          d: `M${x(phase.step)},27 l-5,-8 h10 z`,
          fill: palette.of("phase"),
          class: "mark",
        },
        this.canvas,
      );
      this.context.tooltip.on(
        mark,
        () => `${phase.name}, step ${grouped(phase.step)}: ${phase.text}`,
      );
      mark.addEventListener("pointerdown", (event) => {
        event.stopPropagation();
        this.playhead.to(this.playhead.nearest(phase.step));
      });
    }
    this.cursor = svg("g", {}, this.canvas);
    svg(
      "line",
      { x1: 0, x2: 0, y1: 2, y2: 44, stroke: palette.grey(1), "stroke-width": 1.5 },
      this.cursor,
    );
    svg(
      "circle",
      {
        cx: 0,
        cy: 38,
        r: 8,
        fill: palette.of("cursor"),
        stroke: palette.grey(0),
        "stroke-width": 2,
      },
      this.cursor,
    );
    this.draw();
  }

  sparkline(x, metrics, palette) {
    for (const split of ["train_inferred", "id_test"]) {
      const values = metrics.accuracy[split];
      if (!values) continue;
      const points = values.map((v, i) =>
        v === null ? null : `${x(metrics.step[i]).toFixed(1)},${(32 - 28 * v).toFixed(1)}`,
      );
      svg(
        "polyline",
        {
          points: points.filter(Boolean).join(" "),
          fill: "none",
          opacity: 0.55,
          stroke: palette.of(split),
          "stroke-width": 1.5,
        },
        this.canvas,
      );
    }
  }

  tickLabels(x, axis, palette) {
    let last = -Infinity;
    for (const step of axis.ticks()) {
      const at = x(step);
      if (at - last < 46) continue;
      last = at;
      svg(
        "text",
        {
          x: at,
          y: 55,
          "text-anchor": at < 30 ? "start" : "middle",
          fill: palette.grey(0.7),
          class: "tick",
          text: grouped(step),
        },
        this.canvas,
      );
    }
  }

  draw() {
    const step = this.playhead.step;
    const at = this.left + this.inner * this.places[this.playhead.index];
    this.cursor.setAttribute("transform", `translate(${at.toFixed(1)},0)`);
    this.readout.textContent =
      this.context.data.unit === "ID accuracy %" ? `ID accuracy ${step}%` : `step ${grouped(step)}`;
    const nth = `checkpoint ${this.playhead.index + 1} of ${this.playhead.steps.length}`;
    setAttributes(this.track, {
      "aria-valuenow": step,
      "aria-valuetext": `step ${grouped(step)}, ${nth}`,
    });
    this.readout.title = nth;
    const playing = Boolean(this.playhead.playing);
    if (this.playButton.dataset.playing !== String(playing)) {
      this.playButton.dataset.playing = playing;
      this.playButton.textContent = playing ? "❚❚" : "▶";
      setAttributes(this.playButton, { "aria-label": playing ? "Pause" : "Play" });
    }
  }
}
