// @ts-check
// The components and edges of a circuit as they are drawn. No element is made here.

/** @import { BenchChoice } from "./bench_state.js" */
/** @import { Bench } from "./payload.js" */

/** @typedef {{ key: string, row: number, position: number, label: string, members: number[],
 *   group: string | null }} Place A component, or several heads that are drawn as one. */
/** @typedef {{ from: number, to: number, edges: number[] }} Link Indices of places and edges. */

/**
 * The heads that are drawn on their own: those that some edge of the circuit, or of what it
 * started from, leads to or from, and those that are noted or grouped.
 * @param {Bench} bench
 * @param {BenchChoice} choice
 */
export function standingHeads(bench, choice) {
  const kept = choice.kept();
  /** @type {Set<number>} */
  const standing = new Set();
  for (const { id, source, target } of bench.edges) {
    if (kept.has(id) || choice.base.has(id)) standing.add(source).add(target);
  }
  bench.components.forEach(({ name }, i) => {
    if (choice.state.notes[name] || choice.groupOf(name)) standing.add(i);
  });
  return standing;
}

/**
 * The components as they are drawn: heads of one group, and those of a layer that do not stand on
 * their own, share a place.
 * @param {Bench} bench
 * @param {BenchChoice} choice
 * @param {Set<number>} standing
 * @returns {Place[]}
 */
export function placesOf(bench, choice, standing) {
  /** @type {Map<string, Place>} */
  const places = new Map();
  bench.components.forEach(({ name, row, position, head }, i) => {
    const alone = head !== null && standing.has(i),
      group = alone ? choice.groupOf(name) : null;
    const own = alone ? (group ?? `head ${head}`) : "";
    const key = `${row},${position},${own}`;
    const place = places.get(key) ?? { key, row, position, label: "", members: [], group };
    place.members.push(i);
    place.label = group ?? labelOf(bench, place.members);
    places.set(key, place);
  });
  // what is folded stands at the end of its row
  return [...places.values()].sort(
    (a, b) => Number(a.key.endsWith(",")) - Number(b.key.endsWith(",")),
  );
}

/**
 * @param {Bench} bench
 * @param {number[]} members
 */
function labelOf({ components, columns }, members) {
  const { name, position, head } = components[members[0]];
  if (head !== null && members.length > 1) return `${members.length} heads`;
  if (head !== null) return name.slice(5, name.indexOf("[")); // "head.0.3[subject]" is 0.3
  const [kind, layer] = name.split("[")[0].split(".");
  if (kind === "embed") return columns[position];
  return layer === undefined ? "answer" : `${kind} ${layer}`;
}

/**
 * Edges between the same two places are drawn as one.
 * @param {Bench} bench
 * @param {Place[]} places
 * @returns {Link[]}
 */
export function linksOf(bench, places) {
  const at = new Map(places.flatMap(({ members }, i) => members.map((member) => [member, i])));
  /** @type {Map<string, Link>} */
  const links = new Map();
  bench.edges.forEach(({ source, target }, i) => {
    const from = at.get(source) ?? 0,
      to = at.get(target) ?? 0;
    const link = links.get(`${from},${to}`) ?? { from, to, edges: [] };
    link.edges.push(i);
    links.set(`${from},${to}`, link);
  });
  return [...links.values()];
}
