// @ts-check
// Edges, components and numbers of a circuit that is worked with, in words.

import { componentName, nothingFound, partOf } from "./bench_state.js";
import { percent, two } from "./numbers.js";

/** @import { Place } from "./bench_places.js" */
/** @import { BenchChoice } from "./bench_state.js" */
/** @import { Bench, BenchEdge, Judged } from "./payload.js" */

const NAMED_AT_ONCE = 4; // edges of several in one hover text

/**
 * @param {Bench} bench
 * @param {BenchEdge} edge
 */
export function benchEdgeName(bench, { source, target, name }) {
  return `${componentName(bench, source)} → ${componentName(bench, target)}${partOf(name)}`;
}

/**
 * A share with its interval, as in "0.65 (0.61 to 0.69)".
 * @param {BenchEdge} edge
 */
export function shareInWords({ share, low, high }) {
  if (share === null) return "not measured";
  return low === null || high === null ? two(share) : `${two(share)} (${two(low)} to ${two(high)})`;
}

/**
 * @param {Bench} bench
 * @param {Set<number>} kept
 * @param {number[]} edges
 */
export function edgesInWords(bench, kept, edges) {
  const own = edges.map((i) => bench.edges[i]);
  const lines = own.slice(0, NAMED_AT_ONCE).map((edge) => {
    const often = edge.frequency === null ? "" : `; in ${percent(edge.frequency)} of resamples`;
    return (
      `${benchEdgeName(bench, edge)}: ${shareInWords(edge)} of a token's whole effect ` +
      `(95% interval, n = ${bench.n})${often}.`
    );
  });
  if (own.length > NAMED_AT_ONCE) lines.push(`And ${own.length - NAMED_AT_ONCE} more edges.`);
  const here = own.some(({ id }) => kept.has(id));
  return `${lines.join(" ")} Click to ${here ? "remove" : "put back"}.`;
}

/**
 * @param {Bench} bench
 * @param {BenchChoice} choice
 * @param {Place} place
 * @param {Set<number>} kept
 */
export function placeInWords(bench, choice, { members, group }, kept) {
  const names = members.map((i) => componentName(bench, i));
  const own = new Set(members);
  const [into, out] = [0, 0].map(
    (_, side) =>
      bench.edges.filter((edge) => own.has(side ? edge.source : edge.target) && kept.has(edge.id))
        .length,
  );
  const notes = members.flatMap((i) => choice.state.notes[bench.components[i].name] ?? []);
  return [
    group ? `Group “${group}”: ${names.join(", ")}.` : `${names.join(", ")}.`,
    `${into} kept edges in, ${out} out.`,
    ...notes.map((text) => `Note: ${text}`),
    "Click for its edges and notes; shift-click to choose several.",
  ].join(" ");
}

/**
 * How many edges are kept.
 * @param {Bench} bench
 * @param {BenchChoice} choice
 */
export function keptInWords(bench, choice) {
  if (nothingFound(choice)) {
    return "no edge does more than its placebo; pull the slider to keep the strongest ones";
  }
  const all = bench.ranked.length <= bench.edges.length,
    drawable = all ? "" : `; the strongest ${bench.edges.length} can be drawn`;
  return `${choice.kept().size} of ${bench.candidates} edges${drawable}`;
}

/**
 * Shares of right answers: name, what it means, [value, low, high].
 * @param {Judged} judged
 * @returns {[string, string, (number | null)[]][]}
 */
export function accuraciesIn({ alone, without, whole }) {
  return [
    ["circuit alone", "Share of questions that the circuit alone answers correctly.", alone],
    ["model without it", "Share answered correctly when exactly the circuit is ablated.", without],
    ["whole model", "Share that the whole model answers correctly.", whole],
  ];
}

/**
 * How a number changed by the last click.
 * @param {Judged | null} before
 * @param {Judged} now
 */
export function changeInWords(before, now) {
  const was = before?.alone[0] ?? null,
    is = now.alone[0] ?? null;
  if (was === null || is === null || Math.abs(was - is) < 0.0005) return "";
  const points = Math.round(1000 * (is - was)) / 10;
  return `${points > 0 ? "+" : "−"}${Math.abs(points)} points`;
}
