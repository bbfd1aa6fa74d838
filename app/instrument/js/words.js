// @ts-check
// What the model does at this step, in one or two plain sentences.

import { percent, two } from "./numbers.js";

/** @import { RunData, SplitData } from "./dataset.js" */
/** @import { Measure } from "./packed.js" */

const READABLE = 0.5; // mean reciprocal rank from which a name counts as readable
const CAUSAL = 0.8; // share of answers that follow the bridge, as the certificate wants it
const KNOWN = 0.99; // of the trained questions, as the certificate wants it
const PARTLY = 0.15; // and from which it counts as having some effect

/** @param {number} count */
export function blocks(count) {
  return count === 0 ? "in the embedding" : `after ${count} block${count > 1 ? "s" : ""}`;
}

/**
 * The first state from which a name can be read while the answer can still depend on it, or the one
 * where it nearly can; and what can be read too late, after the last block.
 * @param {RunData} data
 * @param {Measure} lens
 * @param {number} index
 * @param {number} target
 * @param {number} position
 */
function firstReadable(data, lens, index, target, position) {
  let best = { layer: 0, value: -1, readable: false },
    late = 0;
  for (let layer = 0; layer < data.layers && !best.readable; layer++) {
    const value = lens.at(index, target, layer, position) ?? -1;
    if (!data.canReach(layer, position)) late = value;
    else if (value > best.value) best = { layer, value, readable: value >= READABLE };
  }
  return { ...best, late };
}

/**
 * @param {RunData} data
 * @param {string} split
 * @param {number} step
 */
function behaviourInWords(data, split, step) {
  const trained = data.accuracyAt("train_inferred", step),
    tested = data.accuracyAt("id_test", step);
  const shown = data.accuracyAt(split, step);
  const shortcut = data.bestBaseline(split);
  if (trained === null && shown === null) return "";
  if (trained === null) return `${data.splitLabel(split)}: ${percent(shown)} are right. `;
  let words =
    trained < KNOWN
      ? `The model answers ${percent(trained)} of the questions it is trained on`
      : `The model knows what it is trained on (${percent(trained)})`;
  const there = split === "id_test"; // where its number follows
  const unseen = `${percent(tested)} of unseen ID questions`,
    right = there ? "" : `: ${unseen} are right`;
  if (trained >= 0.9 && (tested ?? 0) >= 0.95) words = `The model generalizes${right}`;
  else if (trained >= 0.9 && !there)
    words += `, ${(tested ?? 0) < 0.5 ? "but only" : "and"} ${unseen}`;
  if (shown === null) return `${words}. `;
  // The split that is looked at is named with its own number: the words before may be on others.
  words += `. ${data.splitLabel(split)}: ${percent(shown)}`;
  if (shortcut) {
    const relation =
      shown > shortcut.value + 0.05
        ? "more than"
        : shown < shortcut.value - 0.05
          ? "less than"
          : "like";
    words += `, ${relation} the best shortcut there (${percent(shortcut.value)})`;
  }
  return `${words}. `;
}

/**
 * @param {RunData} data
 * @param {string} split
 * @param {number} index
 * @param {number} step
 */
function sliceInWords(data, split, index, step) {
  const right = data.shownAccuracyAt(split, step),
    mechanism = mechanismInWords(data, data.bySplit[split], index);
  if (right === null) return "";
  const found = mechanism && `: ${mechanism.charAt(0).toLowerCase()}${mechanism.slice(1)}`;
  return `On the slice ${percent(right)} are right${found || "."}`;
}

/**
 * @param {number} share
 * @param {string} where
 * @param {boolean} named Whether no words before say what "it" is.
 */
function dependenceInWords(share, where, named) {
  const it = named ? "the bridge entity" : "it";
  const effect = `swapping it ${where} changes ${percent(share)} of answers as it should`;
  if (share >= CAUSAL) return `the answer is computed from ${it}: ${effect}`;
  if (share >= PARTLY) return `some answers are computed from ${it}: ${effect}`;
  return `the answer is not yet computed from ${it}: ${effect}`;
}

// A comparison looks up two values instead of one bridge.
/** @param {RunData} data */
export function isComparison(data) {
  return data.targets[0]?.name === "value_1";
}

/**
 * @param {RunData} data
 * @param {Measure | null} lens
 * @param {number} index
 */
function lookUpsInWords(data, lens, index) {
  if (!lens) return "";
  const words = ["first", "second"].flatMap((nth, i) => {
    const found = firstReadable(data, lens, index, i, i + 1);
    return found.value < 0 ? [] : readingInWords(`the ${nth} value`, `the ${nth} entity`, found);
  });
  return words.length ? `${capital(words.join("; "))}.` : "";
}

/**
 * A clause, or none where no question was measured, as on a slice that has none.
 * @param {string} what
 * @param {string} where
 * @param {ReturnType<typeof firstReadable>} found
 * @returns {string[]}
 */
function readingInWords(what, where, { layer, value, readable, late }) {
  if (value < 0) return [];
  if (readable) {
    const found = `${what} can be read at ${where} ${blocks(layer)} (MRR ${two(value)})`;
    return [`${found}, as in the fact alone`];
  }
  const best = `${what} can hardly be read at ${where} in time (MRR ${two(value)} ${blocks(layer)}`;
  const known = `; ${two(late)} after the last, as in any model that knows the fact`;
  return [`${best}${late >= READABLE ? known : ""})`];
}

/** @param {string} text */
function capital(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

/**
 * @param {RunData} data
 * @param {SplitData | undefined} split
 * @param {number} index
 */
function mechanismInWords(data, split, index) {
  const { lens, bridge } = split ?? {};
  if (isComparison(data)) return lookUpsInWords(data, lens ?? null, index);
  const middle = data.bridgePlace;
  const words = [];
  if (lens) {
    const found = firstReadable(data, lens, index, 0, middle);
    const where = `the ${data.positions[middle].label}`;
    words.push(...readingInWords("the bridge entity", where, found));
  }
  let best = { layer: 0, value: -1 };
  for (let layer = 1; bridge && layer < data.layers; layer++) {
    const value = bridge.at(index, 0, layer, middle);
    if (value !== null && value > best.value && data.canReach(layer, middle))
      best = { layer, value };
  }
  if (best.value >= 0) words.push(dependenceInWords(best.value, blocks(best.layer), !words.length));
  return words.length ? `${capital(words.join("; "))}.` : "";
}

/**
 * @param {RunData} data
 * @param {string} split
 * @param {number} index
 * @param {number} step
 */
export function formationInWords(data, split, index, step) {
  const shown = data.bySplit[split],
    mechanism = shown?.sliced
      ? sliceInWords(data, split, index, step)
      : mechanismInWords(data, shown, index);
  return behaviourInWords(data, split, step) + mechanism;
}
