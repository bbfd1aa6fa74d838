// @ts-check
// The page Circuit: a diagram whose edges are removed and put back, and what the rest still does.

import { SizeSlider } from "./bench_curve.js";
import { BenchDetails } from "./bench_details.js";
import { BenchDiagram } from "./bench_diagram.js";
import { BenchChoice } from "./bench_state.js";
import { accuraciesIn, changeInWords } from "./bench_words.js";
import { highOn, html, panel } from "./elements.js";
import { percent, two } from "./numbers.js";

/** @import { Context, Header } from "./context.js" */
/** @import { Bench, Edited, Judged } from "./payload.js" */

const SIDE = 400; // pixels of the panels beside the diagram
const PATIENCE = 5000; // milliseconds that an answer may take

export class BenchView {
  /**
   * @param {HTMLElement} root
   * @param {Context} context
   * @param {Bench} bench
   * @param {Edited} edited
   */
  constructor(root, context, bench, edited) {
    this.context = context;
    this.bench = bench;
    this.edited = edited;
    this.choice = new BenchChoice(bench, edited);
    /** @type {Judged | null} */
    this.before = null;
    /** @type {{ serial: number, at: number } | null} */
    this.asked = null;
    this.unsent = false;
    const main = html("div", { class: "bench-main" }, root);
    this.diagram = new BenchDiagram(main, context, bench, this.choice, {
      height: highOn(470),
      changed: () => this.changed(),
      selected: (places) => this.details.show(places),
    });
    const side = html("div", { class: "bench-side" }, main);
    this.numbers = panel(side, "bench-numbers", "What it does");
    this.reset = html("button", { class: "again", text: "Begin again" }, this.numbers.head);
    this.reset.onclick = () => {
      this.choice.again();
      this.changed();
    };
    this.table = html("div", { class: "judged", "aria-live": "polite" }, this.numbers.body);
    this.slider = new SizeSlider(side, context, bench.curve, highOn(132), {
      moved: (size) => {
        this.choice.strongest(size);
        this.draw();
      },
      settled: () => this.send(),
    });
    this.details = new BenchDetails(side, bench, this.choice, {
      changed: () => this.changed(),
      regrouped: () => {
        this.diagram.selection.clear();
        this.diagram.build(this.diagram.panelWidth);
        this.details.show([]);
        this.send();
      },
    });
  }

  splitChanged() {}

  /** @param {number} width */
  build(width) {
    const stacked = width < 900,
      gap = 10,
      pad = 18;
    this.context.root.classList.toggle("stacked", stacked);
    const side = stacked ? width : Math.min(SIDE, Math.floor(width * 0.38));
    const main = stacked ? width : width - side - gap;
    this.diagram.parts.box.style.width = `${main}px`;
    const half = stacked ? Math.floor((width - gap) / 2) : side;
    this.numbers.box.style.width = this.slider.parts.box.style.width = `${half}px`;
    this.details.parts.box.style.width = `${side}px`;
    this.diagram.build(main - pad);
    this.slider.build(half - pad);
    this.draw();
  }

  // The answer of Python, to this or to an earlier state.
  /** @param {Header} header */
  told({ edited }) {
    if (!edited) return;
    const another = edited.source !== this.choice.source;
    if (another || edited.serial === this.asked?.serial) this.asked = null;
    this.choice.adopt(edited);
    if (this.unsent && !another && !this.asked) this.send();
    if (!another && !this.choice.answeredBy(edited)) return;
    if (!another && edited.serial !== this.edited.serial) this.before = this.edited.judged;
    if (another) {
      this.before = null;
      this.diagram.selection.clear();
      this.diagram.build(this.diagram.panelWidth);
      this.details.show([]);
    }
    this.edited = edited;
    this.draw();
  }

  changed() {
    this.draw();
    this.send();
  }

  // One message at a time: Python also answers with the address, which a second message on its way
  // would still have as it was, and so set back.
  send() {
    const { serial, state } = this.choice,
      now = performance.now();
    this.unsent = this.asked !== null && now - this.asked.at < PATIENCE;
    if (this.unsent) return;
    this.asked = { serial, at: now };
    this.context.send("pick", { serial, state });
  }

  draw() {
    const { state } = this.choice,
      exactly = state.size !== null && state.toggled.length === 0;
    this.diagram.draw(state.size === null ? this.edited.base : "the strongest ones");
    this.slider.draw(this.choice.kept().size, exactly);
    this.context.tooltip.reach.later(); // the edge that Tab led to may be hidden now
    this.reset.disabled = state.size === null && state.toggled.length === 0;
    this.drawNumbers();
  }

  drawNumbers() {
    const { judged } = this.edited,
      answered = this.choice.answeredBy(this.edited);
    this.numbers.note.textContent = `of ${judged.n} questions; 95% intervals`;
    this.context.root.dataset.judged = answered ? String(this.choice.serial) : "";
    this.table.classList.toggle("waiting", !answered);
    this.table.replaceChildren();
    for (const [name, title, ends] of accuraciesIn(judged)) this.row(name, title, ends, percent);
    const change = answered ? changeInWords(this.before, judged) : "";
    this.row("faithfulness", FAITHFULNESS, judged.faithfulness, signed);
    this.row("left without it", LEFT_OVER, judged.left, signed);
    const first = this.table.querySelector(".judged-change");
    if (first) first.textContent = change;
  }

  /**
   * @param {string} name
   * @param {string} title
   * @param {(number | null)[]} ends Value, low, high.
   * @param {(value: number | null) => string} words
   */
  row(name, title, [value, low, high], words) {
    const row = html("div", { class: "judged-row", title }, this.table);
    html("span", { text: name }, row);
    html("b", { text: words(value), "data-number": name }, row);
    html("span", { class: "interval", text: `${words(low)} to ${words(high)}` }, row);
    html("span", { class: "judged-change" }, row);
  }
}

const FAITHFULNESS =
  "Share of the logit difference that the circuit alone keeps: 1 as the whole model, 0 as the " +
  "ablated one. With 95% interval over questions.";
const LEFT_OVER =
  "Share of the logit difference that is left without the circuit: 0 if it is complete.";

// A small negative number is not "-0.00".
/** @param {number | null} value */
function signed(value) {
  const text = two(value);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}
