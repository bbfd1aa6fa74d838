// Colours of the page's theme and of the figures, and mixtures of them.

import { clamp } from "./numbers.js";

function parseColour(text) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = text.trim() || "#fff";
  const hex = probe.fillStyle;
  if (hex.startsWith("#")) return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  return hex
    .match(/[\d.]+/g)
    .slice(0, 3)
    .map(Number);
}

function mix(from, to, share) {
  const t = clamp(share, 0, 1);
  return `rgb(${from.map((channel, i) => Math.round(channel + (to[i] - channel) * t)).join(",")})`;
}

function luminance(rgb) {
  return (0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]) / 255;
}

// Colours of the page's theme plus the colour-blind safe ones of the figures (sent by Python).
export class Palette {
  constructor(element, colours) {
    const style = getComputedStyle(element);
    this.background = parseColour(style.getPropertyValue("--st-background-color") || "#ffffff");
    this.text = parseColour(style.getPropertyValue("--st-text-color") || "#222222");
    this.dark = luminance(this.background) < 0.5;
    this.colours = colours;
  }

  // Lighter on a dark page, where the darker ones would hardly be seen.
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

  shade(name, share) {
    return mix(this.background, parseColour(this.of(name)), share);
  }

  inkOn(name, share) {
    const fill = this.shade(name, share).match(/\d+/g).map(Number);
    return luminance(fill) > 0.55 ? "#14181d" : "#ffffff";
  }

  grey(share) {
    return mix(this.background, this.text, share);
  }
}
