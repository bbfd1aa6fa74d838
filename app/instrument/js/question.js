// One question at every step: answers, lens with names, attention, and swaps with a donor.

class QuestionView {
  constructor(root, context) {
    this.context = context;
    this.data = context.data;
    this.asked = context.data.question;
    this.sentence = html("p", { class: "sentence", "aria-live": "polite" }, root);
    const top = html("div", { class: "question-top" }, root);
    this.answers = new Answers(top, context, highOn(148) + 34);
    this.curves = new Curves(top, context, { title: "Probability of each answer over training", height: highOn(148),
      className: "small one-line", series: this.answerSeries() });
    const bottom = html("div", { class: "question-bottom" }, root);
    this.lens = this.nameMap(bottom, "What each state says (logit lens)", "top name; colour: its probability", this.asked.lens,
      (index, l, p) => this.lensWords(index, l, p));
    this.swap = this.asked.swap && this.nameMap(bottom, "Answer with the donor's state swapped in",
      "one state at a time", this.asked.swap, (index, l, p) => this.swapWords(index, l, p));
    this.attention = new Attention(bottom, context, highOn(206));
    context.playhead.follow((index) => this.draw(index));
  }

  name(token) { return this.asked.names[token] ?? `token ${token}`; }

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
      const kind = this.kindOf(curve.token), grid = new Grid(curve.share);
      return { name: this.name(curve.token) + (kind === "answer" ? " (right)" : ""), strong: kind === "answer",
        colour: ["answer", "bridge", "swap", "value_2"].includes(kind) ? kind : spare[i % spare.length],
        steps: this.data.steps, values: this.data.steps.map((_, s) => grid.at(s)) };
    });
  }

  nameMap(parent, title, hint, cells, words) {
    const share = new Grid(cells.share);
    const ranked = share.shape.length === 4;
    const map = new HeatMap(parent, this.context, {
      title, hint, height: highOn(206), words, columns: this.asked.tokens.map((t) => this.name(t)),
      rows: Array.from({ length: share.shape[1] }, (_, l) => String(l)),
      colour: (index, l, p) => this.kindOf(cells.token[index][l][p]),
      read: (index, l, p) => (ranked ? share.at(index, l, p, 0) : share.at(index, l, p)),
      label: (index, l, p) => shortened(this.name(cells.token[index][l][p]), this.cellWidth),
    });
    return map;
  }

  lensWords(index, l, p) {
    const share = new Grid(this.asked.lens.share);
    const first = this.name(this.asked.lens.token[index][l][p]), second = this.name(this.asked.second[index][l][p]);
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
    if (swap.target) words += ` ${this.name(donor.swapped)}, the answer for ${donor.what} of the donor, gets ${percent(new Grid(swap.target).at(index, l, p))}.`;
    return words;
  }

  splitChanged() {}

  build(width) {
    const gap = 10, pad = 18;
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
    const top = asked.top.token[index][0], share = new Grid(asked.top.share).at(index, 0);
    let words = `The model answers ${this.name(top)} (${percent(share)})`;
    if (asked.answer !== null) words += top === asked.answer ? ", which is right. " : `; right is ${this.name(asked.answer)}. `;
    else words += "; the graph has no answer to this question. ";
    for (const value of asked.watched) {
      const readable = value.rank[index].findIndex((row) => row[value.position] === 0);
      words += `${this.name(value.token)}, ${value.what}, ${readable >= 0 ? "can" : "cannot"} be read at ${value.where}${readable >= 0 ? ` ${blocks(readable)}` : ""}. `;
    }
    if (asked.swap && asked.donor.swapped !== null) {
      const targets = new Grid(asked.swap.target), target = this.name(asked.donor.swapped);
      const lent = `the donor's ${asked.donor.what.replace("the ", "")}, ${this.name(asked.donor.value)},`;
      const turned = (l) => asked.swap.token[index][l][1] === asked.donor.swapped;
      let layer = 1;  // the one that turns the answer, the surest if several do
      for (let l = 1; l < targets.shape[1]; l++) {
        const surer = targets.at(index, l, 1) > targets.at(index, layer, 1);
        if (turned(l) === turned(layer) ? surer : turned(l)) layer = l;
      }
      words += turned(layer) ? `Swapping in ${lent} ${blocks(layer)} turns the answer into ${target}, as it should.`
        : `Swapping in ${lent} does not turn the answer into ${target}.`;
    }
    return words;
  }
}

// The most likely answers at this step as bars; rows stay where they are.
class Answers {
  constructor(parent, context, height) {
    Object.assign(this, { context, height, asked: context.data.question });
    this.parts = panel(parent, "answers", "Answers at this step", "");
    this.canvas = svg("svg", { height }, this.parts.body);
    context.playhead.follow((index) => this.draw(index));
  }

  build(width) {
    const { palette } = this.context;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    this.share = new Grid(this.asked.top.share);
    const n = this.share.shape[1], high = this.height / n;
    this.left = Math.round(width * 0.42);
    this.room = width - this.left - 46;
    this.rows = Array.from({ length: n }, (_, i) => {
      const y = i * high;
      return {
        name: svg("text", { x: this.left - 8, y: y + high / 2 + 4, "text-anchor": "end", class: "number strong", fill: palette.grey(1) }, this.canvas),
        bar: svg("rect", { x: this.left, y: y + 4, height: high - 8, rx: 3 }, this.canvas),
        value: svg("text", { y: y + high / 2 + 4, class: "number", fill: palette.grey(0.9) }, this.canvas),
      };
    });
    this.draw(this.context.playhead.index);
  }

  draw(index) {
    if (!this.rows) return;
    const { palette } = this.context;
    this.rows.forEach((row, i) => {
      const token = this.asked.top.token[index][i], share = this.share.at(index, i);
      const right = token === this.asked.answer;
      const size = Math.max(1, this.room * share);
      row.name.textContent = (right ? "✓ " : "") + shortened(this.asked.names[token] ?? "", this.left - 24);
      setAttributes(row.bar, { width: size.toFixed(1), fill: palette.of(right ? "answer" : token === this.asked.watched[0]?.token ? "bridge" : "baseline") });
      setAttributes(row.value, { x: (this.left + size + 5).toFixed(1), text: percent(share) });
    });
  }
}

// Attention patterns: a small map (from row to column) per layer and head.
class Attention {
  constructor(parent, context, height) {
    Object.assign(this, { context, height, asked: context.data.question });
    this.pattern = new Grid(this.asked.attention);
    this.parts = panel(parent, "attention", "Attention", "rows: layer; columns: head");
    this.canvas = svg("svg", { height }, this.parts.body);
    context.playhead.follow((index) => this.draw(index));
  }

  build(width) {
    const { palette, tooltip } = this.context;
    const [, layers, heads, n] = this.pattern.shape;
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const left = 20, top = 14;
    const size = Math.min((width - left) / heads, (this.height - top) / layers) - 5;
    this.cells = [];
    for (let h = 0; h < heads; h++) svg("text", { x: left + h * (size + 5) + size / 2, y: 10, class: "tick", "text-anchor": "middle", fill: palette.grey(0.7), text: h }, this.canvas);
    for (let l = 0; l < layers; l++) {
      const y = top + (layers - 1 - l) * (size + 5);
      svg("text", { x: left - 6, y: y + size / 2 + 4, class: "tick", "text-anchor": "end", fill: palette.grey(0.7), text: l }, this.canvas);
      for (let h = 0; h < heads; h++) {
        const group = svg("g", {}, this.canvas), x = left + h * (size + 5);
        for (let q = 0; q < n; q++) for (let k = 0; k <= q; k++) {
          const box = svg("rect", { x: x + (k * size) / n, y: y + (q * size) / n, width: size / n - 1, height: size / n - 1 }, group);
          tooltip.on(box, () => `Block ${l}, head ${h}: “${this.asked.names[this.asked.tokens[q]]}” attends to “${this.asked.names[this.asked.tokens[k]]}” with ${percent(this.pattern.at(this.context.playhead.index, l, h, q, k))}.`);
          this.cells.push({ box, at: [l, h, q, k] });
        }
      }
    }
    this.draw(this.context.playhead.index);
  }

  draw(index) {
    if (!this.cells) return;
    for (const { box, at } of this.cells) {
      box.setAttribute("fill", this.context.palette.shade("attention", 0.06 + 0.94 * (this.pattern.at(index, ...at) ?? 0)));
    }
  }
}
