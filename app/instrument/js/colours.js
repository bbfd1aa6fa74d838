// @ts-check
// Colours of the page's theme and of the figures, and mixtures of them.

import { clamp } from "./numbers.js";

/** @typedef {number[]} RGB Three numbers of 0 to 255. */

const LIGHT = 0.22; // luminance from which letters are dark, as in exported figures

/** @type {CanvasRenderingContext2D | null} */
let probe = null; // made when it is first needed: Node has no document

/**
 * @param {string} text Any colour of CSS.
 * @returns {RGB}
 */
function parseColour(text) {
  probe ??= document.createElement("canvas").getContext("2d");
  if (!probe) return [128, 128, 128];
  probe.fillStyle = "#fff"; // what stands when the text is not a colour
  probe.fillStyle = text.trim() || "#fff";
  const hex = String(probe.fillStyle);
  if (hex.startsWith("#")) return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return (hex.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}

/**
 * @param {RGB} from
 * @param {RGB} to
 * @param {number} share How far it is to the other.
 * @returns {RGB}
 */
function between(from, to, share) {
  const t = clamp(share, 0, 1);
  return from.map((channel, i) => Math.round(channel + (to[i] - channel) * t));
}

// Relative luminance (WCAG 2.2).
/** @param {RGB} rgb */
export function luminance(rgb) {
  const [r, g, b] = rgb.map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
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
    this.dark = luminance(this.background) < LIGHT;
    this.colours = colours;
    /** @type {Map<string, RGB>} */
    this.known = new Map(); // a step of the timeline asks for hundreds
  }

  // Lighter on a dark page, where the darker ones would hardly be seen.
  /** @param {string} name */
  rgb(name) {
    let found = this.known.get(name);
    if (!found) {
      found = parseColour(this.colours[name] || this.colours.neutral);
      if (this.dark) found = found.map((c) => Math.round(Math.min(255, c * 0.85 + 40)));
      this.known.set(name, found);
    }
    return found;
  }

  /** @param {string} name */
  of(name) {
    return this.dark ? css(this.rgb(name)) : this.colours[name] || this.colours.neutral;
  }

  /**
   * @param {string} name
   * @param {number} share
   */
  shade(name, share) {
    return css(between(this.background, this.rgb(name), share));
  }

  /**
   * @param {string} name
   * @param {number} share
   */
  inkOn(name, share) {
    const fill = between(this.background, this.rgb(name), share);
    return luminance(fill) > LIGHT ? "#14181d" : "#ffffff";
  }

  /** @param {number} share */
  grey(share) {
    return css(between(this.background, this.text, share));
  }
}

/** @param {RGB} rgb */
function css(rgb) {
  return `rgb(${rgb.join(",")})`;
}
