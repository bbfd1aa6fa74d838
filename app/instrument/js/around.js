// @ts-check
// The facts around an entity: those that lead to it on the left, its own on the right. A click on
// a name goes on from there. It has no timeline: facts stay as they are while the model learns.

import { Palette } from "./colours.js";
import { backgroundOf, highOn, hostOf, html, setAttributes, svg } from "./elements.js";
import { measureLike, onNewFonts, shortened, widthOf } from "./names.js";
import { clamp } from "./numbers.js";
import { Tooltip } from "./tooltip.js";

/** @import { Component, Header } from "./context.js" */
/** @import { Palette as Colours } from "./colours.js" */
/** @import { AroundPayload, Fact } from "./payload.js" */

export class Around {
  /**
   * @param {Element | ShadowRoot} parent
   * @param {Header} header
   * @param {AroundPayload} raw
   * @param {Component} component
   */
  constructor(parent, header, raw, component) {
    this.parent = parent;
    this.header = header;
    this.component = component;
    this.data = raw;
    this.width = 0;
    this.background = "";
    this.root = html("div", { class: "instrument page-around", "data-page": "around" }, parent);
    this.canvas = svg("svg", {}, this.root);
    this.tooltip = new Tooltip(this.root);
    this.observer = new ResizeObserver(() => {
      if (this.root.clientWidth > 100 && this.root.clientWidth !== this.width) this.build();
    });
    this.observer.observe(this.root);
    this.leaveFonts = onNewFonts(() => this.build());
  }

  build() {
    this.width = this.root.clientWidth;
    const { sides, entity, colours } = this.data;
    measureLike(this.root);
    const palette = new Palette(hostOf(this.parent), colours);
    this.background = backgroundOf(this.parent);
    const rows = Math.max(1, sides.in.facts.length, sides.out.facts.length);
    const height = Math.max(220, rows * highOn(21) + 50),
      middle = this.width / 2;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width: this.width, height });
    const reach = clamp(this.width * 0.16, 70, 220),
      top = 44,
      bottom = height - 14;
    const centre = (top + bottom) / 2;
    for (const sign of [-1, 1]) {
      const { facts, heading } = sign < 0 ? sides.in : sides.out;
      svg(
        "text",
        {
          x: middle + sign * (reach + 10),
          y: 14,
          "text-anchor": sign < 0 ? "end" : "start",
          class: "panel-note",
          fill: palette.grey(0.8),
          text: heading,
        },
        this.canvas,
      );
      facts.forEach((fact, i) => {
        const y = facts.length > 1 ? top + (i * (bottom - top)) / (facts.length - 1) : centre;
        this.fact(fact, palette, { sign, y, middle, centre, reach });
      });
    }
    const shown = svg("g", {}, this.canvas);
    svg(
      "circle",
      {
        cx: middle,
        cy: centre,
        r: 9,
        fill: palette.grey(0.85),
        stroke: palette.grey(0),
        "stroke-width": 2,
      },
      shown,
    );
    svg(
      "text",
      {
        x: middle,
        y: 15,
        "text-anchor": "middle",
        class: "entity",
        fill: palette.grey(1),
        text: shortened(entity, this.width * 0.5, "700 16px"),
      },
      shown,
    );
    this.root.dataset.ready = "true";
    this.root.dataset.entity = entity;
  }

  /**
   * @param {Fact} fact
   * @param {Colours} palette
   * @param {Record<"sign" | "y" | "middle" | "centre" | "reach", number>} place
   */
  fact(fact, palette, { sign, y, middle, centre, reach }) {
    const group = svg("g", { class: "pickable neighbour", "data-name": fact.name }, this.canvas);
    const x = middle + sign * reach,
      half = middle + sign * reach * 0.5;
    svg(
      "path",
      {
        d: `M${middle},${centre} C${half},${centre} ${half},${y} ${x},${y}`,
        class: "silent",
        fill: "none",
        stroke: palette.grey(0.38),
        "stroke-dasharray": fact.provenance === "real" ? null : "2 4",
      },
      group,
    );
    svg("circle", { cx: x, cy: y, r: 4.5, fill: palette.grey(0.55) }, group);
    const text = svg(
      "text",
      {
        x: x + sign * 11,
        y: y + 4,
        "text-anchor": sign > 0 ? "start" : "end",
        class: "fact silent",
        fill: palette.grey(1),
      },
      group,
    );
    const relation = [fact.relation, palette.grey(0.65)],
      name = [fact.name, palette.grey(1)];
    const room = middle - reach - 30,
      wide = Math.min(room, 260);
    svg(
      "rect",
      {
        class: "hit",
        x: sign > 0 ? x - 6 : x + 6 - wide,
        y: y - 9,
        width: wide,
        height: 18,
        fill: "transparent",
      },
      group,
    );
    // The name keeps what it needs of the room, up to all but a little.
    name[0] = shortened(name[0], room - 70, "13px");
    relation[0] = shortened(relation[0], room - 16 - widthOf(name[0], "13px"), "13px");
    const [first, second] = sign > 0 ? [relation, name] : [name, relation];
    svg("tspan", { fill: first[1], text: `${first[0]} ` }, text);
    svg("tspan", { fill: second[1], dx: 5, text: second[0] }, text);
    const ends = sign > 0 ? [this.data.entity, fact.name] : [fact.name, this.data.entity];
    this.tooltip.on(
      group,
      () =>
        `${ends[0]} –${fact.relation}→ ${ends[1]} (${fact.provenance}). ` +
        `Click to go to ${fact.name}.`,
    );
    group.addEventListener("click", () => this.component.setTriggerValue("pick", fact.name));
  }

  /**
   * @param {Header} _
   * @param {Component} component
   */
  update(_, component) {
    this.component = component;
    if (backgroundOf(this.parent) !== this.background) this.build();
  }

  remove() {
    this.tooltip.reach.stop();
    this.observer.disconnect();
    this.leaveFonts();
    this.root.remove();
  }
}
