// @ts-check
// Where the scripts of a page meet: the slice that was chosen, and what is known to show it.

/** @import { Slice } from "./context.js" */
/** @import { QuestionValues } from "./question_values.js" */

/** @typedef {Record<string, string>} Conditions By name, as the panel has them. */
/** @typedef {{ id: string, bytes: Uint8Array, unpacked?: Promise<QuestionValues> }} Packed */

export const SLICE_TOLD = "hopscope-slice"; // the event when something of it comes or goes

/**
 * `slices` and `values` by page: a slice as the server has taken means of it, and the values of
 * single questions. `told`: how many choices led to the one that holds.
 * @returns {{ slices: Map<string, Slice>, values: Map<string, Packed>, chosen: Conditions,
 *   told: number }}
 */
export function sliceStore() {
  const place = /** @type {{ hopscopeSlices?: ReturnType<typeof sliceStore> }} */ (globalThis);
  const nothing = { slices: new Map(), values: new Map(), chosen: {}, told: 0 };
  return (place.hopscopeSlices ??= nothing);
}

/**
 * A slice is chosen, here or in the address; the server may answer an earlier choice still.
 * @param {Conditions} chosen
 * @param {number} told
 */
export function choose(chosen, told) {
  const store = sliceStore();
  if (told < store.told) return;
  Object.assign(store, { chosen, told });
  tellSlice();
}

export function tellSlice() {
  document.dispatchEvent(new CustomEvent(SLICE_TOLD));
}
