// @ts-check
// A map of layers (upwards) by positions whose cells follow the step.

import { panel, setAttributes, svg } from "./elements.js";
import { VEIL, hatching } from "./hatch.js";
import { namesOrSymbols, shortened, widthOf } from "./names.js";
import { clamp, short } from "./numbers.js";

const NAME = "11px"; // as .tick has it
const MOST_NAME = 130; // pixels of a row's name

/** @import { Context } from "./context.js" */

/**
 * @typedef {object} HeatMapOptions
 * @property {string} title
 * @property {string} [hint]
 * @property {number} height
 * @property {string | ((index: number, row: number, column: number) => string)} colour
 * @property {string[]} rows Their names, from below.
 * @property {string} [rowTitle] What the rows are.
 * @property {boolean} [wideRows] Whether the rows have names and not numbers.
 * @property {string[]} columns
 * @property {number[]} [order] Columns from left to right; as they are by default.
 * @property {string} [columnTitle] What the columns are.
 * @property {number} [leastColumn] Pixels of a column; a wider map than its panel scrolls.
 * @property {string[]} [symbols] Of the columns, where there is no room for all their names.
 * @property {(index: number, row: number, column: number) => number | null} read A share.
 * @property {(index: number, row: number, column: number) => string} words For hovering.
 * @property {(index: number, row: number, column: number) => string} [label] In the cell.
 * @property {(row: number, column: number) => void} [pick]
 * @property {(row: number, column: number) => boolean} [outlined]
 * @property {(row: number, column: number) => boolean} [hatched]
 * @property {() => string} [nothing] Why no cell has a value, if not for want of a measurement.
 * @property {(row: number, column: number) => boolean} [absent] A place that is no cell.
 */

export class HeatMap {
  /**
   * @param {Element} parent
   * @param {Context} context
   * @param {HeatMapOptions} options
   */
  constructor(parent, context, options) {
    const { title, hint, height, label, read } = options;
    this.context = context;
    this.height = height;
    this.options = options;
    this.label = label ?? ((...at) => (read(...at) === null ? "" : short(read(...at))));
    /** @type {{ cell: SVGGElement, box: SVGRectElement, text: SVGTextElement,
     *   r: number, c: number }[]} */
    this.cells = [];
    this.nothing = svg("text");
    this.parts = panel(parent, "heatmap", title, hint);
    this.canvas = svg("svg", { height }, this.parts.body);
    this.context.playhead.follow((index) => this.draw(index));
  }

  // Pixels to the left of the cells.
  roomForRows() {
    const { rows, rowTitle, wideRows } = this.options;
    if (!wideRows) return rowTitle ? 32 : 22;
    return 12 + Math.min(MOST_NAME, Math.max(...rows.map((row) => widthOf(row, NAME))));
  }

  /** @param {number} width */
  build(width) {
    const { palette, tooltip } = this.context,
      { rows, rowTitle, columns, symbols, words, pick, hatched, absent } = this.options;
    const order = this.options.order ?? columns.map((_, c) => c);
    const left = this.roomForRows(),
      bottom = this.options.columnTitle ? 34 : 18;
    width = Math.max(width, left + 2 + columns.length * (this.options.leastColumn ?? 0));
    this.canvas.replaceChildren();
    setAttributes(this.canvas, { width });
    const hatch = hatched ? hatching(this.canvas, palette) : "none";
    if (rowTitle) {
      const middle = (this.height - bottom) / 2;
      const turned = { transform: `rotate(-90 9 ${middle})`, "text-anchor": "middle" };
      const named = { ...turned, x: 9, y: middle, class: "tick axis-title" };
      svg("text", { ...named, fill: palette.grey(0.6), text: rowTitle }, this.canvas);
    }
    if (this.options.columnTitle) {
      const place = { x: (left + width) / 2, y: this.height - 3, "text-anchor": "middle" };
      const named = { ...place, class: "tick axis-title", fill: palette.grey(0.6) };
      svg("text", { ...named, text: this.options.columnTitle }, this.canvas);
    }
    const cellWidth = (width - left - 2) / columns.length;
    const cellHeight = (this.height - bottom - 2) / rows.length;
    this.cells = [];
    rows.forEach((row, r) => {
      const y = 1 + (rows.length - 1 - r) * cellHeight;
      svg(
        "text",
        {
          x: left - 5,
          y: y + cellHeight / 2 + 4,
          "text-anchor": "end",
          class: "tick",
          fill: palette.grey(0.75),
          text: shortened(row, left - 7, NAME),
        },
        this.canvas,
      );
      order.forEach((c, place) => {
        if (absent?.(r, c)) return;
        const cell = svg("g", { class: pick ? "cell pickable" : "cell" }, this.canvas);
        const x = left + place * cellWidth;
        const area = { x: x + 1, y: y + 1, width: cellWidth - 2, height: cellHeight - 2, rx: 2 };
        const box = svg("rect", area, cell);
        if (hatched?.(r, c)) svg("rect", { ...area, fill: hatch }, cell);
        const text = svg(
          "text",
          {
            x: x + cellWidth / 2,
            y: y + cellHeight / 2 + 4,
            "text-anchor": "middle",
            class: hatched?.(r, c) ? "number over-hatching" : "number",
          },
          cell,
        );
        tooltip.on(cell, () => words(this.context.playhead.index, r, c));
        if (pick) cell.addEventListener("click", () => pick(r, c));
        this.cells.push({ cell, box, text, r, c });
      });
    });
    const room = cellWidth - 6,
      wide = (/** @type {string} */ name) => widthOf(name, NAME);
    const names = namesOrSymbols(columns, symbols, room, wide);
    order.forEach((c, place) => {
      svg(
        "text",
        {
          x: left + (place + 0.5) * cellWidth,
          y: this.height - bottom + 14,
          "text-anchor": "middle",
          class: "tick",
          fill: palette.grey(0.85),
          text: shortened(names[c], room, NAME),
        },
        this.canvas,
      );
    });
    const middle = { x: (left + width) / 2, y: (this.height - bottom) / 2 + 4 };
    const said = { class: "strong", "text-anchor": "middle", fill: palette.grey(0.9) };
    this.nothing = svg("text", { ...middle, ...said }, this.canvas);
    this.draw(this.context.playhead.index);
  }

  /** @param {number} index */
  draw(index) {
    const { palette } = this.context,
      { colour, read, outlined, hatched } = this.options;
    const empty = this.cells.every(({ r, c }) => read(index, r, c) === null);
    const why = this.options.nothing?.() || "not measured";
    setAttributes(this.nothing, { text: empty ? why : "" });
    for (const { cell, box, text, r, c } of this.cells) {
      const value = read(index, r, c);
      const share = (hatched?.(r, c) ? 0.45 : 1) * (0.06 + 0.94 * clamp(value ?? 0, 0, 1));
      const name = typeof colour === "function" ? colour(index, r, c) : colour;
      const fill = value === null ? palette.grey(0.06) : palette.shade(name, share);
      setAttributes(box, { fill });
      const halo = hatched?.(r, c) ? { stroke: palette.shade(name, share * (1 - VEIL)) } : {};
      setAttributes(text, { fill: palette.inkOn(name, share), ...halo });
      setAttributes(text, { text: this.label(index, r, c) });
      if (outlined) {
        const stroke = outlined(r, c) ? palette.grey(1) : "none";
        setAttributes(box, { stroke, "stroke-width": 3 });
        setAttributes(cell, { "aria-pressed": String(outlined(r, c)) });
      }
    }
  }
}
