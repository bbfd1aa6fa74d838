// @ts-check
// A state is dragged from the donor to the question: only to its own place, which lights up.

import { html } from "./elements.js";

/** @import { Context } from "./context.js" */
/** @import { HeatMap } from "./heatmap.js" */

const SLACK = 5; // pixels that a click may move

/**
 * Where a state that is let go lands: on its own place, on another one, or beside all of them.
 * @param {{ row: number, column: number, left: number, top: number, right: number,
 *   bottom: number }[]} places
 * @param {number} row
 * @param {number} column
 * @param {number[]} point
 */
export function landed(places, row, column, [x, y]) {
  const under = places.find((p) => p.left <= x && x <= p.right && p.top <= y && y <= p.bottom);
  if (!under) return "beside";
  return under.row === row && under.column === column ? "own" : "other";
}

/**
 * Lets the donor's cells be dragged; called after both maps have been built.
 * @param {Context} context
 * @param {HeatMap} donor
 * @param {HeatMap} question
 * @param {(row: number, column: number) => void} write
 */
export function letDrag(context, donor, question, write) {
  for (const { cell, r, c } of donor.cells) {
    cell.classList.add("draggable");
    cell.addEventListener("pointerdown", (event) => {
      if (event.button === 0) new Drag(context, cell, question, r, c, write).begin(event);
    });
  }
}

class Drag {
  /**
   * @param {Context} context
   * @param {SVGGElement} cell
   * @param {HeatMap} question
   * @param {number} row
   * @param {number} column
   * @param {(row: number, column: number) => void} write
   */
  constructor(context, cell, question, row, column, write) {
    this.context = context;
    this.cell = cell;
    this.question = question;
    this.row = row;
    this.column = column;
    this.write = write;
    /** @type {HTMLElement | null} */
    this.ghost = null;
  }

  get target() {
    return this.question.cells.find(({ r, c }) => r === this.row && c === this.column)?.cell;
  }

  /** @param {PointerEvent} start */
  begin(start) {
    const { cell } = this,
      listening = new AbortController(),
      { signal } = listening;
    cell.setPointerCapture(start.pointerId);
    /** @param {PointerEvent} event */
    const move = (event) => {
      const far = Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY);
      if (!this.ghost && far > SLACK) this.lift();
      this.follow(event);
    };
    /** @param {PointerEvent} event */
    const end = (event) => {
      listening.abort();
      if (!this.ghost) return; // a click, which is heard elsewhere
      const stop = (/** @type {Event} */ click) => click.stopImmediatePropagation();
      cell.addEventListener("click", stop, { capture: true, once: true });
      setTimeout(() => cell.removeEventListener("click", stop, { capture: true }));
      this.drop(event);
    };
    cell.addEventListener("pointermove", move, { signal });
    cell.addEventListener("pointerup", end, { signal });
    cell.addEventListener("pointercancel", end, { signal });
  }

  lift() {
    const text = this.cell.textContent || "state";
    this.ghost = html("div", { class: "ghost", text }, this.context.root);
    this.target?.classList.add("target");
    this.context.root.classList.add("dragging");
  }

  /** @param {PointerEvent} event */
  follow({ clientX, clientY }) {
    if (!this.ghost) return;
    const frame = this.context.root.getBoundingClientRect();
    this.ghost.style.left = `${clientX - frame.left}px`;
    this.ghost.style.top = `${clientY - frame.top}px`;
  }

  /** @param {PointerEvent} event */
  drop(event) {
    this.ghost?.remove();
    this.context.root.classList.remove("dragging");
    this.target?.classList.remove("target");
    const places = this.question.cells.map(({ cell, r, c }) => {
      const { left, top, right, bottom } = cell.getBoundingClientRect();
      return { row: r, column: c, left, top, right, bottom };
    });
    const where = landed(places, this.row, this.column, [event.clientX, event.clientY]);
    if (event.type === "pointerup" && where === "own") this.write(this.row, this.column);
    if (where === "other") {
      const words = "A state is written where it comes from: into the same layer and position.";
      setTimeout(() => this.context.tooltip.show(event, words)); // once the mouse has left the cell
    }
  }
}
