// @ts-check
// Whatever says something when hovered is reached by keyboard, too, and has a label to be read out.
//
// Each drawing is one stop of the Tab key; within it the arrow keys go from one part to the next
// in their direction, Enter and the space bar press, and the words of the part that has the focus
// are shown beside it. Labels are made anew only when the timeline has come to rest.

import { setAttributes } from "./elements.js";
import { nextTowards } from "./layout.js";

/** @import { Tooltip } from "./tooltip.js" */

const REST = 300; // milliseconds without a change
/** @type {Record<string, number[]>} */
const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export class Reach {
  /**
   * @param {HTMLElement} root
   * @param {Tooltip} tooltip
   */
  constructor(root, tooltip) {
    this.tooltip = tooltip;
    /** @type {Map<Element, () => string>} */
    this.parts = new Map();
    /** @type {Map<Element, () => string>} */
    this.described = new Map();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    root.addEventListener("focusin", (event) => this.focused(event));
    root.addEventListener("focusout", () => tooltip.hide());
    root.addEventListener("keydown", (event) => this.key(event));
  }

  /**
   * @param {HTMLElement | SVGElement} element
   * @param {() => string} words
   */
  add(element, words) {
    // what is drawn on a slider is part of it, and the text of a page is read as it stands
    if (element.closest(".track") || !(element instanceof SVGElement || element.role)) return;
    this.parts.set(element, words);
    const role = element.getAttribute("role") ?? (isPressed(element) ? "button" : "img");
    const first = !canvasOf(element)?.querySelector("[tabindex='0']");
    setAttributes(element, { role, tabindex: first ? 0 : -1 });
    this.later();
  }

  /**
   * A drawing that is read as a whole.
   * @param {Element} canvas
   * @param {() => string} words
   */
  describe(canvas, words) {
    this.described.set(canvas, words);
    this.later();
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.label(), REST);
  }

  label() {
    /** @type {Map<Element, Element[]>} */
    const shown = new Map();
    for (const [element, words] of this.parts) {
      if (!element.isConnected) {
        this.parts.delete(element);
        continue;
      }
      if (!isShown(element)) continue;
      setAttributes(element, { "aria-label": words() });
      const canvas = canvasOf(element);
      if (!canvas) continue;
      if (!shown.has(canvas)) shown.set(canvas, []);
      shown.get(canvas)?.push(element);
    }
    for (const [canvas, words] of this.described) {
      setAttributes(canvas, { role: "group", "aria-label": words() });
    }
    for (const [canvas, parts] of shown) this.oneStop(canvas, parts);
  }

  /**
   * @param {Element} canvas
   * @param {Element[]} parts Those that are shown.
   */
  oneStop(canvas, parts) {
    if (!this.described.has(canvas)) {
      const title = canvas.closest(".panel")?.querySelector("h3")?.textContent ?? "Drawing";
      setAttributes(canvas, { role: "group", "aria-label": `${title}; arrow keys move inside` });
    }
    if (parts.some((part) => part.getAttribute("tabindex") === "0")) return;
    canvas.querySelector("[tabindex='0']")?.setAttribute("tabindex", "-1"); // it is hidden now
    parts[0].setAttribute("tabindex", "0");
  }

  /** @param {FocusEvent} event */
  focused({ target }) {
    if (!(target instanceof Element)) return;
    const words = this.parts.get(target);
    if (!words || !target.matches(":focus-visible")) return;
    setAttributes(target, { "aria-label": words() });
    const { right, bottom } = target.getBoundingClientRect();
    this.tooltip.show({ clientX: right - 10, clientY: bottom - 10 }, words());
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { target, key } = event;
    if (!(target instanceof SVGElement) || !this.parts.has(target)) return;
    if (key in ARROWS) this.move(target, ARROWS[key]);
    else if (key === "Enter" || key === " ") press(target);
    else return;
    event.preventDefault();
    event.stopPropagation(); // the same keys move the timeline elsewhere
  }

  /**
   * @param {SVGElement} from
   * @param {number[]} direction
   */
  move(from, direction) {
    const others = [...this.parts.keys()].filter(
      (part) => part !== from && canvasOf(part) === canvasOf(from) && isShown(part),
    );
    const next = nextTowards(direction, middleOf(from), others.map(middleOf));
    if (next < 0) return;
    from.setAttribute("tabindex", "-1");
    const other = /** @type {SVGElement} */ (others[next]);
    other.setAttribute("tabindex", "0");
    other.focus();
  }

  // Where the focus is, to be found again when the same page has been drawn anew.
  place() {
    const at = [...this.parts.keys()].findIndex((part) => part.matches(":focus"));
    return at < 0 ? null : at;
  }

  /** @param {number | null} at */
  goTo(at) {
    const part = at === null ? null : [...this.parts.keys()][at];
    if (part instanceof SVGElement) part.focus();
  }

  stop() {
    clearTimeout(this.timer);
  }
}

/** @param {Element} element */
function canvasOf(element) {
  return element instanceof SVGElement ? element.ownerSVGElement : null;
}

// Whether it takes up a place; checkVisibility() holds of parts of a drawing that are taken out.
/** @param {Element} element */
function isShown(element) {
  return element.getClientRects().length > 0 && element.checkVisibility();
}

/** @param {Element} element */
function isPressed(element) {
  return element.closest(".pickable") !== null;
}

/** @param {Element} element */
function press(element) {
  if (!isPressed(element)) return;
  const hit = element.querySelector(".hit") ?? element;
  hit.dispatchEvent(new MouseEvent("click", { bubbles: true, composed: true }));
}

/** @param {Element} element */
function middleOf(element) {
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left + width / 2, top + height / 2];
}
