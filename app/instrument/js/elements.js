// @ts-check
// What panels are made of: elements with attributes, and a box with a title.

import { clamp } from "./numbers.js";

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** @typedef {Record<string, string | number | boolean | null | undefined>} Attributes */

/**
 * Sets attributes and text; null, undefined and false take an attribute away. Text is set as text
 * and never read as markup, so names of entities may hold anything. What stands already is left:
 * most of a page is the same at the next step, and what is set is laid out and painted again.
 * @template {Element} E
 * @param {E} element
 * @param {Attributes} attributes
 * @returns {E}
 */
export function setAttributes(element, attributes) {
  for (const name in attributes) {
    const value = attributes[name];
    if (name === "text") setText(element, String(value ?? ""));
    else if (value === null || value === undefined || value === false)
      element.removeAttribute(name);
    else if (element.getAttribute(name) !== `${value}`) element.setAttribute(name, `${value}`);
  }
  return element;
}

/**
 * @param {Element} element One that holds text alone.
 * @param {string} text
 */
export function setText(element, text) {
  text = text.replaceAll("n = ", "n\u00a0=\u00a0"); // not broken
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} attributes
 * @param {ParentNode | null} parent
 * @returns {HTMLElementTagNameMap[T]}
 */
export function html(tag, attributes = {}, parent = null) {
  const element = setAttributes(document.createElement(tag), attributes);
  if (parent) parent.append(element);
  return element;
}

/**
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} attributes
 * @param {ParentNode | null} parent
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, attributes = {}, parent = null) {
  const element = setAttributes(document.createElementNS(SVG_NAMESPACE, tag), attributes);
  if (parent) parent.append(element);
  return element;
}

// The whole page of an instrument fits 800 pixels; a higher window (a projector) is made use of.
/** @param {number} pixels */
export function highOn(pixels) {
  return Math.round(pixels * clamp((window.innerHeight - 120) / 680, 1, 1.45));
}

/**
 * A box with a heading, a note beside it and a body.
 * @param {Element} parent
 * @param {string} className
 * @param {string} title
 */
export function panel(parent, className, title, hint = "") {
  const box = html("section", { class: `panel ${className}` }, parent);
  const head = html("div", { class: "panel-head" }, box);
  const heading = html("h3", { text: title }, head);
  const note = html("span", { class: "panel-note", text: hint, title: hint }, head);
  const body = html("div", { class: "panel-body" }, box);
  return { box, head, heading, note, body };
}

// The element of the page that styles are read from.
/** @param {Element | ShadowRoot} parent */
export function hostOf(parent) {
  return parent instanceof ShadowRoot ? parent.host : parent;
}

// The page's colour, which changes with its theme.
/** @param {Element | ShadowRoot} parent */
export function backgroundOf(parent) {
  return getComputedStyle(hostOf(parent)).getPropertyValue("--st-background-color");
}
