// @ts-check
// The examples behind a state or an edge: which questions change their answer there.

import { EdgeQuestions } from "./edge_questions.js";
import { html, setAttributes, setText } from "./elements.js";
import { blocks } from "./words.js";

/** @import { SplitData } from "./dataset.js" */
/** @import { Chosen } from "./formation_series.js" */
/** @import { Context } from "./context.js" */

const MOST = 80; // questions listed
/** @type {Record<string, number>} */
const LAST = { changes: 0, stays: 1, "no swap found": 1, "wrong anyway": 2 };

export class Examples {
  /**
   * @param {Element} root
   * @param {Context} context
   * @param {HTMLElement[]} above The panels over which the questions of an edge lie, and end.
   */
  constructor(root, context, above) {
    this.context = context;
    this.above = above;
    /** @type {Chosen | null} */
    this.chosen = null;
    this.box = html("aside", { class: "drawer", "aria-label": "Examples" }, root);
    const head = html("div", { class: "panel-head" }, this.box);
    this.title = html("h3", {}, head);
    const close = html(
      "button",
      { class: "close", "aria-label": "Close examples", text: "×" },
      head,
    );
    close.onclick = () => this.close();
    this.list = html("ol", {}, this.box);
    /** @type {{ item: HTMLElement, verdict: HTMLElement, question: HTMLElement }[]} */
    this.rows = [];
    this.ofEdge = new EdgeQuestions(this, context);
    context.playhead.follow(() => this.refresh());
  }

  /** @param {Chosen} chosen */
  open(chosen) {
    this.chosen = chosen;
    this.box.classList.add("open");
    this.place(chosen.kind === "found");
    this.refresh();
  }

  close() {
    this.chosen = null;
    this.box.classList.remove("open");
  }

  // The questions of an edge leave its course over training to be seen below them.
  /** @param {boolean} above */
  place(above) {
    const [first, last] = this.above.map((box) => box.offsetTop);
    setAttributes(this.box, {
      style: above ? `top: ${first}px; height: ${last - first - 6}px` : null,
    });
  }

  refresh() {
    if (!this.chosen || this.ofEdge.show(this.chosen)) return;
    const { data, split, playhead } = this.context;
    const { bySplit, whole } = data;
    const listed = verdicts(bySplit[split], this.chosen, playhead.index, whole[split]);
    setText(this.title, this.heading(this.chosen, listed));
    const rows = (listed ?? []).slice(0, MOST);
    while (this.rows.length > rows.length) this.rows.pop()?.item.remove();
    rows.forEach(({ text, verdict }, i) => {
      const row = (this.rows[i] ??= this.row());
      setAttributes(row.item, { class: verdict === "changes" ? "changed" : "kept" });
      setText(row.verdict, verdict);
      setText(row.question, text);
    });
  }

  // A line of the list; the lines stay while the timeline moves, and what they say changes.
  row() {
    const item = html("li", {}, this.list);
    return {
      item,
      verdict: html("span", { class: "verdict" }, item),
      question: html("span", {}, item),
    };
  }

  /**
   * @param {Chosen} chosen
   * @param {{ verdict: string }[] | null} listed
   */
  heading({ kind, l, p }, listed) {
    if (!listed) return "No examples kept here; hopscope analyze makes them.";
    if (!listed.length) return "No measured question of this split is in the slice.";
    const name = this.context.data.positions[p].label;
    const changed = listed.filter(({ verdict }) => verdict === "changes").length;
    const right = changed + listed.filter(({ verdict }) => verdict === "stays").length;
    const none = listed.filter(({ verdict }) => verdict === "no swap found").length;
    const without = none ? ` with a swap (${none} without)` : "",
      share = `${changed} of ${right} right answers${without}`;
    return kind === "moved"
      ? `${name}, block ${l + 1}: ${share} stop depending on this position`
      : `${name}, ${blocks(kind === "through" ? l + 1 : l)}: ${share} change when swapped, ` +
          "by at least one of the swaps tried";
  }
}

/**
 * What a swap does to each question, those that change first and those wrong anyway last; null
 * where that was not kept.
 * @param {SplitData | undefined} split
 * @param {Chosen} chosen
 * @param {number} index
 * @param {SplitData} [whole] The split's whole, if `split` is a slice of it, of which none may be
 *   right at this step.
 */
export function verdicts(split, { kind, l, p }, index, whole = split) {
  const { flips, drawn, right, examples } = split ?? {};
  if (!flips || !drawn || !right || !examples) return null;
  if ((whole?.tracing?.at(index, l, p) ?? null) === null) return null;
  /** @param {number} i */
  const changes = (i) => {
    if (kind === "moved") return flips.at(index, l, p, i) && !flips.at(index, l + 1, p, i);
    return flips.at(index, kind === "through" ? l + 1 : l, p, i);
  };
  const rows = examples.map((text, i) => {
    if (!right.at(index, i)) return { text, verdict: "wrong anyway" };
    if (!drawn.at(p, i)) return { text, verdict: "no swap found" };
    return { text, verdict: changes(i) ? "changes" : "stays" };
  });
  return rows.sort((a, b) => LAST[a.verdict] - LAST[b.verdict]);
}
