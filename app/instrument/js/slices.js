// @ts-check
// Slices: what a page shows of some questions comes apart from what it shows of all of them, which
// is large and stays as it is.

import { SLICE_TOLD, slicesByPage } from "./slice_store.js";

/** @import { Slice } from "./context.js" */
/** @import { Instrument } from "./instrument.js" */

/** @type {Slice} */
const ALL_QUESTIONS = { id: "", measures: {} };

/**
 * Lets an instrument show the slice of its page, now and whenever another one is chosen.
 * @param {Instrument} instrument
 * @returns {() => void} Ends it: a listener of the document keeps all that it mentions.
 */
export function followSlices(instrument) {
  const { page } = instrument.header;
  const follow = () => goTo(instrument, slicesByPage().get(page) ?? ALL_QUESTIONS);
  const told = (/** @type {Event} */ event) => {
    if (event instanceof CustomEvent && event.detail === page) follow();
  };
  document.addEventListener(SLICE_TOLD, told);
  follow();
  return () => document.removeEventListener(SLICE_TOLD, told);
}

/**
 * @param {Instrument} instrument
 * @param {Slice} slice
 */
function goTo({ root, context, page }, { id, measures }) {
  if ((root.dataset.slice ?? "") === id) return;
  root.dataset.slice = id;
  context.data.onSlice(measures);
  page.splitChanged();
  context.playhead.redraw();
}
