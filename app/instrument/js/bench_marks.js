// @ts-check
// How the edges and components of a circuit look: kept, removed, chosen, noted.

import { setAttributes } from "./elements.js";

/** @import { Link, Place } from "./bench_places.js" */
/** @import { BenchChoice } from "./bench_state.js" */
/** @import { Context } from "./context.js" */
/** @import { Bench } from "./payload.js" */

/** @typedef {{ context: Context, bench: Bench, choice: BenchChoice }} Marked */
/** @typedef {{ link: Link, group: SVGGElement, line: SVGPathElement, halo: SVGPathElement }}
 *   DrawnLink */
/** @typedef {{ place: Place, group: SVGGElement, box: SVGRectElement, text: SVGTextElement,
 *   mark: SVGCircleElement }} DrawnPlace */

/**
 * @param {Marked} of
 * @param {DrawnLink} drawn
 * @param {Set<number>} kept
 * @param {Set<number>} used
 * @param {boolean} chosen Whether it leads to or from a chosen place.
 */
export function drawLink(
  { context, bench, choice },
  { link, group, line, halo },
  kept,
  used,
  chosen,
) {
  const { palette } = context;
  const own = link.edges.map((i) => bench.edges[i]);
  const here = own.filter(({ id }) => kept.has(id));
  const removed = own.some(({ id }) => choice.base.has(id));
  group.style.display = here.length || removed || chosen ? "" : "none";
  group.classList.toggle("kept", here.length > 0);
  setAttributes(group, { "aria-pressed": String(here.length > 0) });
  for (const { source, target } of here) used.add(source).add(target);
  const strongest = (here.length ? here : own).reduce((a, b) =>
    Math.abs(b.share ?? 0) > Math.abs(a.share ?? 0) ? b : a,
  );
  const share = strongest.share ?? 0,
    size = Math.min(1, Math.abs(share)),
    colour = share < 0 ? "negative" : "edge";
  setAttributes(line, {
    stroke: here.length ? palette.shade(colour, 0.4 + 0.6 * size) : palette.grey(0.4),
    "stroke-width": here.length ? 1.2 + 7 * size : 1.2,
    "stroke-dasharray": here.length ? (share < 0 ? "6 7" : null) : "1 5",
  });
  setAttributes(halo, {
    stroke: chosen && here.length ? palette.of("cursor") : "none",
    "stroke-width": 7 + 7 * size,
  });
}

/**
 * @param {Marked} of
 * @param {DrawnPlace} drawn
 * @param {Set<number>} used
 * @param {boolean} chosen
 */
export function drawPlace(
  { context, bench, choice },
  { place, group, box, text, mark },
  used,
  chosen,
) {
  const { palette } = context,
    { components } = bench;
  const active = place.members.some((i) => used.has(i)),
    colour = place.group ? "attention" : "edge";
  group.classList.toggle("used", active);
  group.setAttribute("aria-pressed", String(chosen));
  setAttributes(box, {
    fill: palette.shade(colour, active ? 0.2 : 0.02),
    stroke: chosen ? palette.of("cursor") : palette.shade(colour, active ? 0.9 : 0.25),
    "stroke-width": chosen ? 2.5 : 1,
  });
  text.setAttribute("fill", palette.grey(active ? 1 : 0.55));
  const noted = place.members.some((i) => choice.state.notes[components[i].name]);
  setAttributes(mark, { fill: noted ? palette.of("swap") : "none" });
}

/**
 * What a click does, Enter and the space bar do as well.
 * @param {SVGGElement} element
 * @param {(event: MouseEvent | KeyboardEvent) => void} act
 */
export function pressable(element, act) {
  element.addEventListener("click", act);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    act(event);
  });
}
