// @ts-check
// Where the two scripts of a page meet: the slices that the pages' instruments show.

/** @import { Slice } from "./context.js" */

export const SLICE_TOLD = "hopscope-slice"; // the event when one comes or goes

/** @returns {Map<string, Slice>} By page. */
export function slicesByPage() {
  const place = /** @type {{ hopscopeSlices?: Map<string, Slice> }} */ (globalThis);
  return (place.hopscopeSlices ??= new Map());
}
