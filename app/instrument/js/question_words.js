// @ts-check
// What the model does with one question, in sentences.

import { percent } from "./numbers.js";
import { Grid } from "./packed.js";
import { blocks } from "./words.js";

/** @import { Donor, Question } from "./payload.js" */

/**
 * @param {Question} asked
 * @param {number | null} token
 */
export function nameOf(asked, token) {
  return asked.names[String(token)] ?? `token ${token}`;
}

// What is read at a state or after a swap: a name, or in text only the first token of one.
/** @param {Question} asked */
function beginning(asked) {
  return asked.written ? "the first token of " : "";
}

/**
 * What a state says, by the logit lens.
 * @param {Question} asked
 * @param {number} index
 * @param {number} l
 * @param {number} p
 * @param {boolean} usable
 */
export function lensInWords(asked, index, l, p, usable) {
  const share = new Grid(asked.lens.share);
  const [first, second] = [asked.lens.token, asked.second].map((cells, rank) => {
    const name = nameOf(asked, cells[index][l][p]);
    return `${name} ${percent(share.at(index, l, p, rank))}`;
  });
  const where = `At “${asked.columns[p]}” ${blocks(l)}`;
  const ranks = asked.watched.map(({ token, what, rank }) => {
    const before = rank[index][l][p];
    const place = before === 0 ? "comes first" : `is number ${before + 1}`;
    return ` ${beginning(asked)}${nameOf(asked, token)}, ${what}, ${place} here.`;
  });
  const reach = usable ? "" : " This state cannot reach the answer: no block comes after it.";
  return `${where}: ${first}, then ${second}.${ranks.join("")}${reach}`;
}

/**
 * The answer with the donor's state swapped in.
 * @param {Question} asked
 * @param {number} index
 * @param {number} l
 * @param {number} p
 */
export function swapInWords(asked, index, l, p) {
  const { swap, donor } = asked;
  if (!swap) return "";
  const answer = nameOf(asked, swap.token[index][l][p]),
    share = percent(new Grid(swap.share).at(index, l, p));
  const words =
    `With the donor's state at “${asked.columns[p]}” ${blocks(l)} ` +
    `the answer ${asked.written ? "begins with" : "is"} ${answer} (${share}).`;
  if (!swap.target || !donor) return words;
  const wanted = percent(new Grid(swap.target).at(index, l, p));
  const name = `${beginning(asked)}${nameOf(asked, donor.swapped)}`;
  return `${words} ${name}, the answer for ${donor.what} of the donor, gets ${wanted}.`.replace(
    " the first",
    " The first",
  );
}

/**
 * The answer, where the watched names can be read, and what the donor's bridge does.
 * @param {Question} asked
 * @param {number} index
 * @param {(l: number, p: number) => boolean} canReach Whether the answer can depend on a state.
 */
export function questionInWords(asked, index, canReach) {
  const sentences = [`${answerInWords(asked, index)}.`];
  for (const { token, what, where, position, rank } of asked.watched) {
    // without a block a state knows only its own token: what it says there was not looked up
    const layer = rank[index].findIndex((row, l) => l > 0 && row[position] === 0);
    const inTime = layer >= 0 && canReach(layer, position);
    const read = inTime
      ? `can be read at ${where} ${blocks(layer)}`
      : layer >= 0
        ? `can be read at ${where} after the last block only, too late for the answer`
        : `cannot be read at ${where}`;
    const by = asked.written ? " by its first token" : "";
    sentences.push(`${nameOf(asked, token)}, ${what}, ${read}${by}.`);
  }
  const turned = turnedInWords(asked, index);
  return [...sentences, ...(turned ? [turned] : [])].join(" ");
}

/**
 * The answer and whether it is right; in text what the model writes, and the most probable name.
 * @param {Question} asked
 * @param {number} index
 */
function answerInWords(asked, index) {
  const top = asked.top.token[index][0],
    share = percent(new Grid(asked.top.share).at(index, 0)),
    name = nameOf(asked, top);
  if (!asked.written)
    return `The model answers ${name} (${share})${verdict(asked, top === asked.answer)}`;
  const { text, exact } = asked.written[index];
  const likeliest = !new Grid(asked.top.share).at(index, 0)
    ? ", and no name is likely"
    : text === name
      ? ` (${share}, the whole name)`
      : `, of all names most likely ${name} (${share})`;
  return `The model writes “${text}”${likeliest}${verdict(asked, exact)}`;
}

/**
 * @param {Question} asked
 * @param {boolean} right
 */
function verdict(asked, right) {
  if (asked.answer === null) return "; the graph has no answer to this question";
  return right ? ", which is right" : `; right is ${nameOf(asked, asked.answer)}`;
}

/**
 * Whether the donor's bridge, swapped in, turns the answer into its own: the surest of the layers.
 * @param {Question} asked
 * @param {number} index
 */
function turnedInWords(asked, index) {
  const { swap, donor } = asked;
  if (!swap?.target || !donor || donor.swapped === null) return "";
  const targets = new Grid(swap.target),
    name = nameOf(asked, donor.swapped),
    begun = nameOf(asked, donor.begins).replace("␣", ""),
    target = asked.written && begun !== name ? `${begun}, the beginning of ${name}` : name,
    place = asked.watched[0]?.position ?? 1;
  const lent = `the donor's ${donor.what.replace("the ", "")}, ${nameOf(asked, donor.value)},`;
  /** @param {number} l */
  const turns = (l) => swap.token[index][l][place] === donor.begins;
  let layer = 1;
  for (let l = 1; l < targets.shape[1]; l++) {
    const surer = (targets.at(index, l, place) ?? 0) > (targets.at(index, layer, place) ?? 0);
    if (turns(l) === turns(layer) ? surer : turns(l)) layer = l;
  }
  const swapping = `Swapping in ${lent}${asked.written ? ` at “${asked.columns[place]}”` : ""}`;
  const before = asked.written
    ? asked.lens.token[index].at(-1)?.at(-1)
    : asked.top.token[index][0];
  if (before === donor.begins)
    return `${swapping} shows nothing here: the answer is ${target} without a swap.`;
  if (turns(layer))
    return `${swapping} ${blocks(layer)} turns the answer into ${target}, as it should.`;
  return `${swapping} does not turn the answer into ${target}${whyNot(asked, donor, index)}.`;
}

/**
 * Whether the fact that a swap needs is known; a swap cannot work without it.
 * @param {Question} asked
 * @param {Donor} donor
 * @param {number} index
 */
function whyNot(asked, donor, index) {
  if (!donor.fact || !donor.needed) return "";
  const said = donor.fact[index];
  if (said !== donor.begins)
    return (
      `: the model does not know the fact this needs, ${donor.needed}; it ` +
      `${asked.written ? "begins with" : "says"} ${nameOf(asked, said)}`
    );
  const known = `, although the model knows ${donor.needed}`;
  return asked.written
    ? `${known}: this state alone does not carry the bridge`
    : `${known}: here the answer does not follow the bridge`;
}
