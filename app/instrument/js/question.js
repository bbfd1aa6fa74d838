// @ts-check
// One question at every step: answers, lens with names, attention, and swaps with a donor.

import { Answers } from "./answers.js";
import { Attention } from "./attention.js";
import { Curves } from "./curves.js";
import { highOn, html, setText } from "./elements.js";
import { HeatMap } from "./heatmap.js";
import { isStacked } from "./layout.js";
import { shortened } from "./names.js";
import { Grid } from "./packed.js";
import { lensInWords, nameOf, questionInWords, swapInWords } from "./question_words.js";
import { drawSentence } from "./sentence.js";

/** @import { Context } from "./context.js" */
/** @import { Question, States } from "./payload.js" */

export class QuestionView {
  /**
   * @param {Element} root
   * @param {Context} context
   * @param {Question} asked
   */
  constructor(root, context, asked) {
    this.context = context;
    this.data = context.data;
    this.asked = asked;
    this.cellWidth = 0;
    if (asked.sentence) drawSentence(root, context, asked.sentence, "The model reads");
    this.sentence = html("p", { class: "sentence", "aria-live": "polite" }, root);
    const top = html("div", { class: "question-top" }, root);
    this.answers = new Answers(top, context, asked, highOn(148) + 34);
    this.curves = new Curves(top, context, {
      title: `Probability of each ${asked.written ? "whole " : ""}answer over training`,
      height: highOn(148),
      className: "small one-line",
      series: this.answerSeries(),
    });
    const bottom = html("div", { class: "question-bottom" }, root);
    this.lens = this.nameMap(
      bottom,
      "What each state says (logit lens)",
      `top ${asked.written ? "token" : "name"}; hatched: cannot reach the answer`,
      this.asked.lens,
      (index, l, p) => lensInWords(asked, index, l, p, this.data.canReach(l, p)),
    );
    this.swap =
      this.asked.swap &&
      this.nameMap(
        bottom,
        asked.written
          ? "First token with a state swapped in"
          : "Answer with the donor's state swapped in",
        "one state at a time",
        this.asked.swap,
        (index, l, p) => swapInWords(asked, index, l, p),
      );
    this.attention = new Attention(bottom, context, asked, highOn(206));
    context.playhead.follow((index) => this.draw(index));
  }

  // The kind of thing a name or token is here, which has a colour.
  /** @param {number} token */
  kindOf(token) {
    return this.asked.kinds[String(token)] ?? "neutral";
  }

  answerSeries() {
    return this.asked.curves.map((curve) => {
      const kind = this.kindOf(curve.token),
        grid = new Grid(curve.share);
      return {
        name: nameOf(this.asked, curve.token) + (kind === "answer" ? " (right)" : ""),
        strong: kind === "answer",
        colour: curve.colour,
        steps: this.data.steps,
        values: this.data.steps.map((_, s) => grid.at(s)),
      };
    });
  }

  /**
   * A map of the most likely names.
   * @param {Element} parent
   * @param {string} title
   * @param {string} hint
   * @param {States} cells
   * @param {(index: number, l: number, p: number) => string} words
   */
  nameMap(parent, title, hint, cells, words) {
    const share = new Grid(cells.share);
    const ranked = share.shape.length === 4;
    return new HeatMap(parent, this.context, {
      title,
      hint,
      height: Math.max(highOn(206), 18 * share.shape[1] + 20),
      words,
      columns: this.asked.columns,
      order: this.asked.order,
      rows: Array.from({ length: share.shape[1] }, (_, l) => String(l)),
      rowTitle: "blocks",
      colour: (index, l, p) => this.kindOf(cells.token[index][l][p]),
      read: (index, l, p) => (ranked ? share.at(index, l, p, 0) : share.at(index, l, p)),
      hatched: (l, p) => !this.data.canReach(l, p),
      label: (index, l, p) =>
        shortened(nameOf(this.asked, cells.token[index][l][p]), this.cellWidth),
    });
  }

  splitChanged() {}

  /** @param {number} width */
  build(width) {
    const gap = 10,
      pad = 18;
    const stacked = isStacked(width);
    const left = stacked ? width : Math.round(width * 0.32);
    this.answers.build(left - pad);
    this.curves.build((stacked ? width : width - left - gap) - pad);
    const columns = stacked ? [1, 1, 1] : this.swap ? [0.36, 0.36, 0.28] : [0.55, 0.45];
    const maps = this.swap ? [this.lens, this.swap, this.attention] : [this.lens, this.attention];
    maps.forEach((map, i) => {
      const each = Math.floor((width - (stacked ? 0 : gap * (maps.length - 1))) * columns[i]);
      map.parts.box.style.width = `${each}px`;
      this.cellWidth = Math.floor((width * columns[0]) / this.asked.columns.length) - 18;
      map.build(each - pad);
    });
    this.draw(this.context.playhead.index);
  }

  /** @param {number} index */
  draw(index) {
    const canReach = this.data.canReach.bind(this.data);
    setText(this.sentence, questionInWords(this.asked, index, canReach));
  }
}
