// @ts-check
// The pages that have a timeline, by name.

import { BenchView } from "./bench.js";
import { CompareView } from "./compare.js";
import { Formation } from "./formation.js";
import { HeadsView } from "./heads.js";
import { LabView } from "./lab.js";
import { QuestionView } from "./question.js";

/** @import { Context, Header, Page } from "./context.js" */

/** @type {Record<string, (root: HTMLElement, context: Context, header: Header) => Page>} */
export const PAGES = {
  formation: (root, context) => new Formation(root, context),
  circuit: (root, context, header) =>
    new BenchView(root, context, part(context.data.bench), part(header.edited ?? null)),
  heads: (root, context, header) =>
    new HeadsView(root, context, part(context.data.heads), header.looked ?? null),
  question: (root, context) => new QuestionView(root, context, part(context.data.question)),
  lab: (root, context) => new LabView(root, context, part(context.data.lab)),
  compare: (root, context) => new CompareView(root, context, part(context.data.compared)),
  compact: () => ({ build() {}, splitChanged() {} }),
};

/**
 * A page's own part of the payload.
 * @template T
 * @param {T | null} sent
 */
function part(sent) {
  if (sent === null) throw new Error("This page's part of the payload was not sent.");
  return sent;
}
