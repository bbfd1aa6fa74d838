// One question at every step: answers, lens with names, attention, and swaps with a donor.

import { Answers } from "./answers.js";
import { Attention } from "./attention.js";
import { Curves } from "./curves.js";
import { highOn, html } from "./elements.js";
import { HeatMap } from "./heatmap.js";
import { shortened } from "./names.js";
import { percent } from "./numbers.js";
import { Grid } from "./packed.js";
import { blocks } from "./words.js";

export class QuestionView {
  constructor(root, context) {
    this.context = context;
    this.data = context.data;
    this.asked = context.data.question;
    this.sentence = html("p", { class: "sentence", "aria-live": "polite" }, root);
    const top = html("div", { class: "question-top" }, root);
    this.answers = new Answers(top, context, highOn(148) + 34);
    this.curves = new Curves(top, context, {
      title: "Probability of each answer over training",
      height: highOn(148),
      className: "small one-line",
      series: this.answerSeries(),
    });
    const bottom = html("div", { class: "question-bottom" }, root);
    this.lens = this.nameMap(
      bottom,
      "What each state says (logit lens)",
      "top name; colour: its probability",
      this.asked.lens,
      (index, l, p) => this.lensWords(index, l, p),
    );
    this.swap =
      this.asked.swap &&
      this.nameMap(
        bottom,
        "Answer with the donor's state swapped in",
        "one state at a time",
        this.asked.swap,
        (index, l, p) => this.swapWords(index, l, p),
      );
    this.attention = new Attention(bottom, context, highOn(206));
    context.playhead.follow((index) => this.draw(index));
  }

  name(token) {
    return this.asked.names[token] ?? `token ${token}`;
  }

  kindOf(token) {
    if (token === this.asked.donor?.swapped && token !== this.asked.answer) return "swap";
    if (token === this.asked.answer) return "answer";
    const watched = this.asked.watched.findIndex((value) => value.token === token);
    if (watched >= 0) return watched === 0 ? "bridge" : "value_2";
    if (token === this.asked.tokens.at(-1)) return "relation_2";
    return "neutral";
  }

  answerSeries() {
    const spare = ["id_test", "train_inferred", "negative", "relation_2", "baseline", "edge"];
    return this.asked.curves.map((curve, i) => {
      const kind = this.kindOf(curve.token),
        grid = new Grid(curve.share);
      return {
        name: this.name(curve.token) + (kind === "answer" ? " (right)" : ""),
        strong: kind === "answer",
        colour: ["answer", "bridge", "swap", "value_2"].includes(kind)
          ? kind
          : spare[i % spare.length],
        steps: this.data.steps,
        values: this.data.steps.map((_, s) => grid.at(s)),
      };
    });
  }

  nameMap(parent, title, hint, cells, words) {
    const share = new Grid(cells.share);
    const ranked = share.shape.length === 4;
    const map = new HeatMap(parent, this.context, {
      title,
      hint,
      height: highOn(206),
      words,
      columns: this.asked.tokens.map((t) => this.name(t)),
      rows: Array.from({ length: share.shape[1] }, (_, l) => String(l)),
      colour: (index, l, p) => this.kindOf(cells.token[index][l][p]),
      read: (index, l, p) => (ranked ? share.at(index, l, p, 0) : share.at(index, l, p)),
      label: (index, l, p) => shortened(this.name(cells.token[index][l][p]), this.cellWidth),
    });
    return map;
  }

  lensWords(index, l, p) {
    const share = new Grid(this.asked.lens.share);
    const first = this.name(this.asked.lens.token[index][l][p]),
      second = this.name(this.asked.second[index][l][p]);
    let words = `At “${this.name(this.asked.tokens[p])}” ${blocks(l)}: ${first} ${percent(share.at(index, l, p, 0))}, then ${second} ${percent(share.at(index, l, p, 1))}.`;
    for (const value of this.asked.watched) {
      const rank = value.rank[index][l][p];
      words += ` ${this.name(value.token)}, ${value.what}, ${rank === 0 ? "comes first" : `is number ${rank + 1}`} here.`;
    }
    return words;
  }

  swapWords(index, l, p) {
    const { swap, donor } = this.asked;
    const share = new Grid(swap.share);
    let words = `With the donor's state at position ${p + 1} ${blocks(l)} the answer is ${this.name(swap.token[index][l][p])} (${percent(share.at(index, l, p))}).`;
    if (swap.target)
      words += ` ${this.name(donor.swapped)}, the answer for ${donor.what} of the donor, gets ${percent(new Grid(swap.target).at(index, l, p))}.`;
    return words;
  }

  splitChanged() {}

  build(width) {
    const gap = 10,
      pad = 18;
    const left = Math.round(width * 0.32);
    this.answers.build(left - pad);
    this.curves.build(width - left - gap - pad);
    const columns = this.swap ? [0.36, 0.36, 0.28] : [0.55, 0.45];
    const maps = this.swap ? [this.lens, this.swap, this.attention] : [this.lens, this.attention];
    maps.forEach((map, i) => {
      const each = Math.floor((width - gap * (maps.length - 1)) * columns[i]);
      map.parts.box.style.width = `${each}px`;
      this.cellWidth = Math.floor((width * columns[0]) / this.asked.tokens.length) - 18;
      map.build(each - pad);
    });
    this.draw(this.context.playhead.index);
  }

  draw(index) {
    this.sentence.textContent = this.inWords(index);
  }

  inWords(index) {
    const asked = this.asked;
    const top = asked.top.token[index][0],
      share = new Grid(asked.top.share).at(index, 0);
    let words = `The model answers ${this.name(top)} (${percent(share)})`;
    if (asked.answer !== null)
      words +=
        top === asked.answer ? ", which is right. " : `; right is ${this.name(asked.answer)}. `;
    else words += "; the graph has no answer to this question. ";
    for (const value of asked.watched) {
      const readable = value.rank[index].findIndex((row) => row[value.position] === 0);
      words += `${this.name(value.token)}, ${value.what}, ${readable >= 0 ? "can" : "cannot"} be read at ${value.where}${readable >= 0 ? ` ${blocks(readable)}` : ""}. `;
    }
    if (asked.swap && asked.donor.swapped !== null) {
      const targets = new Grid(asked.swap.target),
        target = this.name(asked.donor.swapped);
      const lent = `the donor's ${asked.donor.what.replace("the ", "")}, ${this.name(asked.donor.value)},`;
      const turned = (l) => asked.swap.token[index][l][1] === asked.donor.swapped;
      let layer = 1; // the one that turns the answer, the surest if several do
      for (let l = 1; l < targets.shape[1]; l++) {
        const surer = targets.at(index, l, 1) > targets.at(index, layer, 1);
        if (turned(l) === turned(layer) ? surer : turned(l)) layer = l;
      }
      words += turned(layer)
        ? `Swapping in ${lent} ${blocks(layer)} turns the answer into ${target}, as it should.`
        : `Swapping in ${lent} does not turn the answer into ${target}.`;
    }
    return words;
  }
}
