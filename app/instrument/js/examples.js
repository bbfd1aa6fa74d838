// The examples behind a state or an edge: which questions change their answer there.

import { EdgeQuestions } from "./edge_questions.js";
import { html, setAttributes } from "./elements.js";
import { blocks } from "./words.js";

// The examples behind a state or an edge: which questions change their answer there.
export class Examples {
  constructor(root, context, { accuracy, state }) {
    this.context = context;
    this.above = [accuracy.parts.box, state.parts.box];
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
    this.ofEdge = new EdgeQuestions(this, context);
    context.playhead.follow(() => this.refresh());
  }

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
  place(above) {
    const [first, last] = this.above.map((box) => box.offsetTop);
    setAttributes(this.box, {
      style: above ? `top: ${first}px; height: ${last - first - 6}px` : null,
    });
  }

  changed(index, i, split) {
    const { kind, l, p } = this.chosen;
    if (kind === "moved")
      return split.flips.at(index, l, p, i) && !split.flips.at(index, l + 1, p, i);
    return split.flips.at(index, kind === "through" ? l + 1 : l, p, i);
  }

  refresh() {
    if (!this.chosen || this.ofEdge.show(this.chosen)) return;
    const split = this.context.data.bySplit[this.context.split];
    const { kind, l, p } = this.chosen;
    const position = this.context.data.positions[p].label;
    const index = this.context.playhead.index;
    if (!split || !split.flips || !split.examples || split.tracing.at(index, l, p) === null) {
      this.title.textContent = "No examples kept here: run `hopscope analyze` for this run.";
      this.list.replaceChildren();
      return;
    }
    const rows = split.examples.map((text, i) => {
      const wrong = !split.right.at(index, i),
        drawn = Boolean(split.drawn.at(p, i));
      return {
        text,
        wrong,
        drawn,
        changed: !wrong && drawn && Boolean(this.changed(index, i, split)),
      };
    });
    const count = rows.filter((row) => row.changed).length,
      right = rows.filter((row) => row.drawn && !row.wrong).length;
    this.title.textContent =
      kind === "moved"
        ? `${position}, block ${l + 1}: ${count} of ${right} right answers stop depending on this position`
        : `${position}, ${blocks(kind === "through" ? l + 1 : l)}: ${count} of ${right} right answers change when swapped, by at least one of the swaps tried`;
    rows.sort((a, b) => b.changed - a.changed || a.wrong - b.wrong);
    this.list.replaceChildren(
      ...rows.slice(0, 80).map((row) => {
        const item = html("li", { class: row.changed ? "changed" : "kept" });
        html(
          "span",
          {
            class: "verdict",
            text: row.changed
              ? "changes"
              : row.wrong
                ? "wrong anyway"
                : row.drawn
                  ? "stays"
                  : "no swap found",
          },
          item,
        );
        item.append(row.text);
        return item;
      }),
    );
  }
}
