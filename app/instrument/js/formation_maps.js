// @ts-check
// The maps of the first page: what a lens reads in each state, and what swapping it does.

import { highOn } from "./elements.js";
import { HeatMap } from "./heatmap.js";
import { blocks, isComparison } from "./words.js";

/** @import { Formation } from "./formation.js" */

const LEAST_ROW = 15; // pixels of a layer in a map

/**
 * @param {Formation} page
 * @param {Element} parent
 */
export function formationMaps(page, parent) {
  const { data, context } = page;
  const rows = Array.from({ length: data.layers }, (_, l) => String(l));
  const columns = data.positions.map((p) => p.short),
    symbols = data.positions.map((p) => p.symbol);
  /**
   * @param {string} title
   * @param {string} colour
   * @param {string} words
   * @param {"lens" | "tracing" | "bridge"} kind
   * @param {number[]} first Where in the measure the map is.
   */
  const map = (title, colour, words, kind, ...first) =>
    new HeatMap(parent, context, {
      title,
      colour,
      rows,
      rowTitle: "blocks",
      columns,
      symbols,
      height: Math.max(highOn(112), LEAST_ROW * data.layers + 20),
      read: (index, l, p) => page.split?.[kind]?.at(index, ...first, l, p) ?? null,
      words: (index, l, p) => {
        const value = page.split?.[kind]?.inWords(index, ...first, l, p);
        const reach = data.canReach(l, p) ? "" : " This state cannot reach the answer.";
        return value
          ? `${words} at the ${data.positions[p].label}, ${blocks(l)}: ${value}.${reach}`
          : "This analysis has not been run for this split.";
      },
      nothing: () => (page.split?.sliced?.n === 0 ? "no question" : ""),
      hatched: (l, p) => !data.canReach(l, p),
      pick: (l, p) => page.select({ kind: "state", l, p }),
    });
  const lens = data.targets.map((t, i) =>
    map(`Lens: ${t.label}`, t.name, `Mean reciprocal rank of ${t.label}`, "lens", i),
  );
  const tracing = map(
    "Causal tracing",
    "edge",
    "Share of answers that change when the state is swapped for another question's",
    "tracing",
  );
  if (isComparison(data)) return [...lens, tracing];
  return [
    ...lens,
    tracing,
    map(
      "Bridge swap",
      "swap",
      "Share of answers that become those of the other bridge",
      "bridge",
      0,
    ),
  ];
}
