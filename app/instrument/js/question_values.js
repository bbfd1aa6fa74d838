// @ts-check
// The values of single questions, of which the first page's means on a slice are taken here.

import { SplitQuestions } from "./split_questions.js";

/** @import { SplitData } from "./dataset.js" */
/** @import * as Payload from "./payload.js" */
/** @import { Conditions } from "./slice_store.js" */

export class QuestionValues {
  /**
   * @param {Payload.QuestionValues} head
   * @param {ArrayBuffer} bytes
   */
  constructor(head, bytes) {
    /** @type {Record<string, SplitQuestions>} */
    this.bySplit = {};
    for (const [name, split] of Object.entries(head.bySplit)) {
      this.bySplit[name] = new SplitQuestions(split, head, bytes);
    }
  }

  /**
   * JSON, a line's end and deflated bytes, as question_values.py has written them.
   * @param {Uint8Array} packed
   */
  static async unpack(packed) {
    const end = packed.indexOf(10),
      head = JSON.parse(new TextDecoder().decode(packed.subarray(0, end))),
      deflated = new Blob([packed.slice(end + 1)]).stream();
    const stream = deflated.pipeThrough(new DecompressionStream("deflate"));
    return new QuestionValues(head, await new Response(stream).arrayBuffer());
  }

  /**
   * What is drawn of each split on a slice, made when it is first looked at.
   * @param {Conditions} conditions
   * @param {Record<string, SplitData>} whole
   */
  on(conditions, whole) {
    /** @type {Record<string, SplitData>} */
    const bySplit = {};
    for (const [name, all] of Object.entries(whole)) {
      /** @type {SplitData | null} */
      let made = null;
      const make = () => this.bySplit[name]?.on(conditions, all) ?? { ...all, ...NOTHING };
      Object.defineProperty(bySplit, name, { enumerable: true, get: () => (made ??= make()) });
    }
    return bySplit;
  }
}

// Of a split whose answers were not measured, so that it is unknown what is in the slice.
const NOTHING = {
  ...{ lens: null, added: null, tracing: null, moved: null, bridge: null },
  ...{ examples: [], flips: null, drawn: null, right: null, about: "" },
};
