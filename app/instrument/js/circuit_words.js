// @ts-check
// The states and edges of a circuit in words.

import { grouped, percent } from "./numbers.js";
import { blocks } from "./words.js";

/** @import { DiscoveredData, RunData, SplitData } from "./dataset.js" */
/** @import { Discovered } from "./payload.js" */

/** @typedef {{ kind: string, l: number, p: number }} StateOrEdge Where it starts. */

/**
 * The measure whose share an edge between states is as wide as, and where in it.
 * @param {SplitData} split
 * @param {StateOrEdge} edge
 * @param {number} index
 */
export function widthOfEdge({ tracing, moved }, { kind, l, p }, index) {
  const measure = kind === "moved" ? moved : tracing;
  return measure ? { measure, at: [index, kind === "moved" ? l : l + 1, p] } : null;
}

/**
 * @param {RunData} data
 * @param {SplitData} split
 * @param {StateOrEdge} edge
 * @param {number} index
 */
export function edgeInWords(data, split, edge, index) {
  const found = widthOfEdge(split, edge, index);
  if (!found) return "Causal tracing has not been run for this split.";
  const { measure, at } = found,
    name = data.positions[edge.p].label,
    share = measure.inWords(...at);
  if (edge.kind === "through") {
    return (
      `Swapping the state at the ${name} ${blocks(edge.l + 1)} for that of another question ` +
      `changes the answer in a share of ${share} of the questions.`
    );
  }
  const verb = (measure.at(...at) ?? 0) < 0 ? "gains" : "loses";
  return (
    `In block ${edge.l + 1} the position ${name} ${verb} this much hold on the answer ` +
    `(a later position takes over what it loses): ${share}.`
  );
}

/**
 * @param {RunData} data
 * @param {SplitData} split
 * @param {number} l
 * @param {number} p
 * @param {number} index
 */
export function stateInWords(data, { lens, added, tracing, bridge }, l, p, index) {
  const readable = lens
    ? data.targets.map((target, i) => `${target.label} ${lens.inWords(index, i, l, p)}`)
    : ["logit lens not run"];
  const parts = [
    `State at the ${data.positions[p].label} ${blocks(l)}.`,
    ...(data.canReach(l, p) ? [] : ["It cannot reach the answer: no block comes after it."]),
    `Readable here (mean reciprocal rank): ${readable.join("; ")}.`,
  ];
  if (p < 2) parts.push(`This is the state of the shorter prompt that ends here.`);
  else if (added) {
    const more = data.targets.map(({ label }, i) => `${label} ${added.inWords(index, i, l, p)}`);
    parts.push(`Of this the question adds, beyond another first hop: ${more.join("; ")}.`);
  }
  if (tracing) parts.push(`Swapping it changes the answer: ${tracing.inWords(index, l, p)}.`);
  if (bridge) {
    const share = bridge.inWords(index, 0, l, p);
    parts.push(
      "Swapping in another question's state turns the answer into the one of its bridge: " +
        `${share}.`,
    );
  }
  return parts.join(" ");
}

/**
 * The name of an edge between components, e.g. "MLP 0 at first relation to the answer".
 * @param {RunData} data
 * @param {Discovered} found
 * @param {number} i
 */
export function componentEdgeName(data, { rows, edges }, i) {
  const { name, source, target } = edges[i];
  /** @param {number[]} place */
  const at = ([row, p]) => `${rows[row]} at ${data.positions[p].label}`;
  const head = name.match(/head\.\d+\.(\d+)/);
  const sender = at(source) + (head ? ` (head ${head[1]})` : "");
  return `${sender} to ${target ? at(target) : "the answer"}`;
}

/**
 * @param {RunData} data
 * @param {Discovered} found
 * @param {DiscoveredData} measured
 * @param {number} i
 * @param {number} index
 */
export function componentEdgeInWords(data, found, measured, i, index) {
  const { strength, effect, carries, frequency } = measured;
  const tokens = data.positions.flatMap(({ label }, p) =>
    carries.at(index, i, p) ? [`${label} ${effect.inWords(index, i, p)}`] : [],
  );
  const sign = (strength.at(index, i) ?? 0) < 0 ? "against" : "for";
  return (
    `${componentEdgeName(data, found, i)}: ${strength.inWords(index, i)} of a token's whole ` +
    `effect at this step, however small, runs along this edge, ${sign} the answer. ` +
    `It carries, in nats of logit difference: ${tokens.join("; ")}. ` +
    `Of resampled questions ${percent(frequency.at(index, i))} give a circuit with it. ` +
    "Click for its questions, and for its strength over training."
  );
}

/**
 * The tokens that the kept edges out of a component carry.
 * @param {Discovered} found
 * @param {DiscoveredData | null} measured
 * @param {number} row
 * @param {number} p
 * @param {number} index
 */
export function carriedFrom(found, measured, row, p, index) {
  if (!measured) return [];
  const leaving = found.edges.flatMap(({ source }, i) =>
    source[0] === row && source[1] === p && measured.kept.at(index, i) ? [i] : [],
  );
  return found.symbols.flatMap((_, token) =>
    leaving.some((i) => measured.carries.at(index, i, token)) ? [token] : [],
  );
}

/**
 * @param {RunData} data
 * @param {Discovered} found
 * @param {DiscoveredData | null} measured
 * @param {number} row
 * @param {number} p
 * @param {number} index
 */
export function componentInWords(data, found, measured, row, p, index) {
  const carried = carriedFrom(found, measured, row, p, index);
  const where = `${found.rows[row]} at ${data.positions[p].label}`;
  if (!carried.length) return `${where}: no edge of the circuit leaves here.`;
  const tokens = carried.map((token) => data.positions[token].label).join(", ");
  return `${where} passes on what depends on: ${tokens}.`;
}

/**
 * How many edges the circuit has, and how often it is right alone.
 * @param {Discovered} found
 * @param {DiscoveredData} measured
 * @param {number} index
 * @param {number} step The timeline's; the circuit may be that of another one.
 */
export function circuitInWords(found, measured, index, step) {
  const { alone, whole, kept } = measured,
    at = measured.step[index];
  const elsewhere = at === step ? "" : `found at step ${grouped(at)}: `;
  const count = found.edges.filter((_, i) => kept.at(index, i)).length;
  const less = (alone.interval(index)?.[1] ?? 1) < (whole.interval(index)?.[0] ?? 0);
  return (
    `${elsewhere}${count} of ${found.candidates} edges: ` +
    `alone ${percent(alone.at(index))} right, whole model ${percent(whole.at(index))}` +
    (less ? " (not all of it)" : "")
  );
}
