// What the model does at this step, in one or two plain sentences.

import { percent, two } from "./numbers.js";

const READABLE = 0.5; // mean reciprocal rank from which a name counts as readable

const CAUSAL = 0.5; // share of questions from which a swap counts as effective

const PARTLY = 0.15; // and from which it counts as having some effect

export function blocks(count) {
  return count === 0 ? "in the embedding" : `after ${count} block${count > 1 ? "s" : ""}`;
}

function firstReadable(lens, index, target, position, layers) {
  let best = { layer: 0, value: -1 };
  for (let layer = 0; layer < layers; layer++) {
    const value = lens.at(index, target, layer, position);
    if (value === null) continue;
    if (value >= READABLE) return { layer, value, readable: true };
    if (value > best.value) best = { layer, value };
  }
  return { ...best, readable: false };
}

function behaviourInWords(data, split, step) {
  const trained = data.accuracyAt("train_inferred", step),
    tested = data.accuracyAt("id_test", step);
  const shown = data.accuracyAt(split, step);
  const shortcut = data.bestBaseline(split);
  if (trained === null && shown === null) return "";
  let words;
  if ((trained ?? 0) < 0.9)
    words = `The model answers ${percent(trained)} of the compositions it is trained on`;
  else if ((tested ?? 0) < 0.95)
    words = `The model knows what it is trained on (${percent(trained)}), yet answers only ${percent(tested)} of unseen ID questions`;
  else words = `The model generalizes: ${percent(tested)} of unseen ID questions are right`;
  if (shown === null) return `${words}. `;
  // The split that is looked at is named with its own number: the words before may be on others.
  words += `. ${data.splitLabel(split)}: ${percent(shown)}`;
  if (shortcut) {
    const relation =
      shown > shortcut.value + 0.05
        ? "more than"
        : shown < shortcut.value - 0.05
          ? "less than"
          : "about what";
    words += `, ${relation} the best shortcut reaches there (${percent(shortcut.value)})`;
  }
  return `${words}. `;
}

function dependenceInWords(share, where) {
  const effect = `swapping it ${where} changes ${percent(share)} of answers as it should`;
  if (share >= CAUSAL) return `the answer is computed from it: ${effect}`;
  if (share >= PARTLY) return `the answer is in part computed from it: ${effect}`;
  return `the answer is not yet computed from it: ${effect}`;
}

// A comparison looks up two values instead of one bridge.
export function isComparison(data) {
  return data.targets[0].name === "value_1";
}

function lookUpsInWords(data, lens, index) {
  if (!lens) return "";
  const words = ["first", "second"]
    .map((nth, i) => {
      const found = firstReadable(lens, index, i, i + 1, data.layers);
      return found.readable
        ? `the ${nth} value can be read at the ${nth} entity ${blocks(found.layer)} (MRR ${two(found.value)})`
        : `the ${nth} value cannot be read at the ${nth} entity (MRR at most ${two(found.value)})`;
    })
    .join("; ");
  return `${words[0].toUpperCase()}${words.slice(1)}.`;
}

function mechanismInWords(data, splitData, index) {
  if (isComparison(data)) return lookUpsInWords(data, splitData.lens, index);
  const { lens, bridge } = splitData;
  const middle = data.positions.length > 2 ? 1 : 0;
  let words = "";
  if (lens) {
    const found = firstReadable(lens, index, 0, middle, data.layers);
    words = found.readable
      ? `The bridge entity can be read at the first-relation position ${blocks(found.layer)} (MRR ${two(found.value)})`
      : `The bridge entity cannot be read at the first-relation position (MRR at most ${two(found.value)})`;
  }
  if (bridge) {
    let best = { layer: 0, value: -1 };
    for (let layer = 0; layer < data.layers; layer++) {
      const value = bridge.at(index, 0, layer, middle);
      if (value !== null && value > best.value) best = { layer, value };
    }
    if (best.value >= 0) words += `; ${dependenceInWords(best.value, blocks(best.layer))}`;
  }
  return words ? `${words}.` : "";
}

export function formationInWords(data, split, index, step) {
  return behaviourInWords(data, split, step) + mechanismInWords(data, data.bySplit[split], index);
}
