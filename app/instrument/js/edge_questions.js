// @ts-check
// The questions behind an edge of the circuit: those on which it does most, and least.

import { html } from "./elements.js";
import { nats } from "./numbers.js";

/** @import { DiscoveredData } from "./dataset.js" */
/** @import { Chosen } from "./formation_series.js" */
/** @import { Context } from "./context.js" */
/** @import { SingleEffects } from "./packed.js" */

/** @typedef {{ box: HTMLElement, title: HTMLElement }} Drawer */
/** @typedef {{ pair: number, token: number }} Pair Of the edge and one of its tokens. */

export class EdgeQuestions {
  /**
   * @param {Drawer} drawer
   * @param {Context} context
   */
  constructor(drawer, context) {
    this.context = context;
    this.drawer = drawer;
    this.tokens = html("div", {
      class: "views",
      role: "radiogroup",
      "aria-label": "Token that is replaced",
    });
    drawer.title.after(this.tokens);
    this.lists = html("div", { class: "edge-questions" }, drawer.box);
    this.most = html("div", {}, this.lists);
    this.least = html("div", {}, this.lists);
  }

  // Whether there is an edge to show; what stood there of another one goes.
  /** @param {Chosen} chosen */
  show(chosen) {
    const shown = chosen.kind === "found";
    this.drawer.box.classList.toggle("of-edge", shown);
    if (shown) this.draw(chosen);
    return shown;
  }

  /** @param {Chosen} chosen */
  draw(chosen) {
    const { data, playhead, split } = this.context,
      edge = chosen.edge ?? 0,
      found = data.bySplit[split]?.discovered;
    const singles = found?.singles ?? null;
    const carried = singles?.of(playhead.index, edge) ?? [];
    this.tokens.replaceChildren();
    this.lists.style.display = carried.length ? "" : "none";
    if (!found || !singles || !carried.length) {
      const why =
        found && !singles
          ? "questions not kept, run hopscope analyze --again"
          : "not in the circuit of this step";
      this.drawer.title.textContent = `${this.context.edgeName(edge)}: ${why}.`;
      return;
    }
    /** @param {Pair} pair */
    const mean = ({ token }) => found.effect.at(playhead.index, edge, token) ?? 0;
    carried.sort((a, b) => Math.abs(mean(b)) - Math.abs(mean(a)));
    const pair = carried.find(({ token }) => token === chosen.token) || carried[0];
    for (const { token } of carried) this.tokenButton(chosen, token, token === pair.token);
    this.fill(found, singles, pair, mean(pair));
  }

  /**
   * @param {Chosen} chosen
   * @param {number} token
   * @param {boolean} pressed
   */
  tokenButton(chosen, token, pressed) {
    const text = this.context.data.positions[token].label;
    const shown = { role: "radio", "aria-checked": String(pressed), text };
    html("button", shown, this.tokens).onclick = () => {
      chosen.token = token;
      this.draw(chosen);
    };
  }

  /**
   * @param {DiscoveredData} found
   * @param {SingleEffects} singles
   * @param {Pair} pair
   * @param {number} mean
   */
  fill({ examples }, singles, { pair, token }, mean) {
    const { data, playhead } = this.context,
      { title } = this.drawer,
      n = singles.n[playhead.index][pair];
    title.textContent = `${nats(mean)} nats on average over ${n} questions with another`;
    title.title =
      "How far the logit of the answer falls, against the one with another " +
      `${data.positions[token].label}, when that is let through along this edge alone.`;
    this.list(this.most, "does most (nats)", examples, singles.at(playhead.index, pair, "most"));
    this.list(this.least, "does least", examples, singles.at(playhead.index, pair, "least"));
  }

  /**
   * @param {Element} column
   * @param {string} heading
   * @param {string[]} examples
   * @param {{ i: number, effect: number }[]} rows
   */
  list(column, heading, examples, rows) {
    column.replaceChildren();
    html("h4", { text: heading }, column);
    const list = html("ol", {}, column);
    for (const { i, effect } of rows) {
      const item = html("li", { title: examples[i] }, list);
      html("span", { class: "verdict", text: nats(effect) }, item);
      item.append(examples[i]);
    }
  }
}
