// @ts-check
// The panels of the first page that can each be presented alone.

/** @import { Presented } from "./context.js" */
/** @import { Formation } from "./formation.js" */

/**
 * @param {Formation} page
 * @returns {Record<string, Presented>}
 */
export function formationPanels(page) {
  const { circuit, discovered, accuracy, loss, state, heatMaps, further } = page;
  const both = (/** @type {number} */ width) => {
    circuit.build(width);
    discovered?.build(width);
  };
  const named = [...heatMaps, ...further].map((panel) => {
    const title = panel.parts.heading.textContent ?? "";
    return [title.toLowerCase().replace(/\W+/g, "-"), panel];
  });
  const first = { circuit: { parts: circuit.parts, build: both }, accuracy, loss, state };
  return { ...first, ...Object.fromEntries(named) };
}
