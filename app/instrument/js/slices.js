// @ts-check
// Slices: what a page shows of some questions. Means are taken here as soon as the values of single
// questions have come; before, and of runs with too many values, the server takes them.

import { QuestionValues } from "./question_values.js";
import { SLICE_TOLD, sliceStore } from "./slice_store.js";

/** @import { Slice } from "./context.js" */
/** @import { Instrument } from "./instrument.js" */

/** @type {Slice} */
const ALL_QUESTIONS = { id: "", told: 0, measures: {} };

/**
 * Lets an instrument show the slice of its page, now and whenever another one is chosen.
 * @param {Instrument} instrument
 * @returns {() => void} Ends it: a listener of the document keeps all that it mentions.
 */
export function followSlices(instrument) {
  const { page, id } = instrument.header;
  /** @type {QuestionValues | null} */
  let values = null;
  let ended = false;
  const follow = () => {
    if (ended) return;
    const { slices, values: packed, chosen, told } = sliceStore(),
      said = slices.get(page) ?? ALL_QUESTIONS,
      given = packed.get(page);
    if (given?.id !== id) values = null;
    else if (!values) unpack(given);
    const shown = said.id && said.told >= told ? null : values;
    if (shown) goTo(instrument, sliceName(chosen), (data) => data.onQuestions(shown, chosen));
    else goTo(instrument, said.id, (data) => data.onSlice(said.measures));
  };
  /** @param {import("./slice_store.js").Packed} given */
  const unpack = async (given) => {
    values = await (given.unpacked ??= QuestionValues.unpack(given.bytes));
    follow();
  };
  document.addEventListener(SLICE_TOLD, follow);
  follow();
  return () => {
    ended = true;
    document.removeEventListener(SLICE_TOLD, follow);
  };
}

// Of a slice, as the server writes conditions into the address; of all questions "".
/** @param {Record<string, string>} chosen */
function sliceName(chosen) {
  return new URLSearchParams(chosen).toString();
}

/**
 * @param {Instrument} instrument
 * @param {string} id
 * @param {(data: Instrument["context"]["data"]) => void} show
 */
function goTo({ root, context, page }, id, show) {
  if ((root.dataset.slice ?? "") === id) return;
  root.dataset.slice = id;
  show(context.data);
  page.splitChanged();
  context.playhead.redraw();
}
