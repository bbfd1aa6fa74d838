// @ts-check
// Colours of the page's theme and of the figures, and mixtures of them.

import { clamp } from "./numbers.js";

/** @typedef {number[]} RGB Three numbers of 0 to 255. */

/**
 * @param {string} text Any colour of CSS.
 * @returns {RGB}
 */
function parseColour(text) {
  const probe = /** @type {CanvasRenderingContext2D} */ (
    document.createElement("canvas").getContext("2d")
  );
  probe.fillStyle = text.trim() || "#fff";
  const hex = String(probe.fillStyle);
  if (hex.startsWith("#")) return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return numbersIn(hex);
}

/** @param {string} text */
function numbersIn(text) {
  return (text.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}

/**
 * @param {RGB} from
 * @param {RGB} to
 * @param {number} share How far it is to the other.
 */
export function mix(from, to, share) {
  const t = clamp(share, 0, 1);
  return `rgb(${from.map((channel, i) => Math.round(channel + (to[i] - channel) * t)).join(",")})`;
}

/** @param {RGB} rgb */
export function luminance(rgb) {
  return (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) / 255;
}

// Colours of the page's theme plus the colour-blind safe ones of the figures (sent by Python).
export class Palette {
  /**
   * @param {Element} element
   * @param {Record<string, string>} colours
   */
  constructor(element, colours) {
    const style = getComputedStyle(element);
    this.background = parseColour(style.getPropertyValue("--st-background-color") || "#ffffff");
    this.text = parseColour(style.getPropertyValue("--st-text-color") || "#222222");
    this.dark = luminance(this.background) < 0.5;
    this.colours = colours;
  }

  // Lighter on a dark page, where the darker ones would hardly be seen.
  /** @param {string} name */
  of(name) {
    const colour = this.colours[name] || this.colours.neutral;
    return this.dark
      ? mix(
          parseColour(colour).map((c) => Math.min(255, c * 0.85 + 40)),
          [0, 0, 0],
          0,
        )
      : colour;
  }

  /**
   * @param {string} name
   * @param {number} share
   */
  shade(name, share) {
    return mix(this.background, parseColour(this.of(name)), share);
  }

  /**
   * @param {string} name
   * @param {number} share
   */
  inkOn(name, share) {
    const fill = numbersIn(this.shade(name, share));
    return luminance(fill) > 0.55 ? "#14181d" : "#ffffff";
  }

  /** @param {number} share */
  grey(share) {
    return mix(this.background, this.text, share);
  }
}
