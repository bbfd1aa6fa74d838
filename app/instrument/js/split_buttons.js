// @ts-check
// The buttons with which a split is chosen.

import { html } from "./elements.js";

/** @import { Context } from "./context.js" */
/** @import { Payload } from "./payload.js" */

/**
 * @param {Payload["splits"]} splits
 * @param {HTMLElement} bar
 * @param {Context} context
 * @param {(name: string) => void} show
 */
export function splitButtons(splits, bar, context, show) {
  return splits.map(({ name, label, about }) => {
    const checked = String(name === context.split);
    const shown = { role: "radio", "aria-checked": checked, text: label, title: about };
    const button = html("button", { class: "split", "data-split": name, ...shown }, bar);
    button.onclick = () => {
      show(name);
      context.keep();
    };
    return button;
  });
}
