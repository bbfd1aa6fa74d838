// @ts-check
// A question as the model reads it: its tokens in a row, coloured by the roles they stand for.

import { html } from "./elements.js";

/** @import { Context } from "./context.js" */
/** @import { Sentence, SentenceToken } from "./payload.js" */

/**
 * What a token is, for hovering.
 * @param {Sentence} sentence
 * @param {SentenceToken} token
 * @param {number} place
 */
export function tokenInWords({ tokens, roles }, token, place) {
  const role = token.role < 0 ? "part of no role" : roles[token.role].words;
  const last = token.role >= 0 && !tokens.slice(place + 1).some((t) => t.role === token.role);
  const read = last ? "; states of the role are read and swapped here" : "";
  const which = `token ${place + 1} of ${tokens.length}, id ${token.id}`;
  return `“${token.piece}”, ${which}: ${role}${read}.`;
}

// What stands for a token without letters of its own, so that it can be hovered.
/** @param {SentenceToken} token */
function gap(token) {
  return /^[␣⏎]*$/.test(token.piece) ? "\u00a0" : "·";
}

/**
 * @param {Element} parent
 * @param {Context} context
 * @param {Sentence} sentence
 * @param {string} title What precedes it.
 * @param {boolean} [legend] Whether the roles are explained.
 */
export function drawSentence(parent, context, sentence, title, legend = true) {
  const { palette, tooltip } = context;
  const row = html("div", { class: "worded" }, parent);
  html("span", { class: "worded-title", text: title }, row);
  const line = html("span", { class: "worded-tokens" }, row);
  sentence.tokens.forEach((token, place) => {
    const role = sentence.roles[token.role],
      bare = token.text.trimStart(),
      inside = role && sentence.tokens[place - 1]?.role === token.role;
    if (bare && bare !== token.text && !inside) line.append(" ");
    const text = inside ? token.text : bare; // a blank, or a part of a letter, has none
    const part = html("span", { class: "token", text: text || gap(token) }, line);
    if (role) {
      // mixed by the browser: the sentence is not drawn again when the theme changes
      const colour = `${palette.of(role.kind)} 22%`;
      part.style.background = `color-mix(in srgb, ${colour}, var(--st-background-color))`;
      part.style.borderBottomColor = palette.of(role.kind);
    }
    tooltip.on(part, () => tokenInWords(sentence, token, place));
  });
  if (!legend) return;
  const items = html("span", { class: "worded-legend" }, row);
  for (const role of sentence.roles) {
    const item = html("span", { class: "legend-item" }, items);
    html("span", { class: "swatch" }, item).style.background = palette.of(role.kind);
    html("span", { text: role.words }, item);
  }
}
