// @ts-check
// Entry point beside the instrument's: hands a slice to the instrument that shows it. Streamlit
// sends a component's script with each of its messages, and the instrument's is longer than any
// slice.

import { SLICE_TOLD, slicesByPage } from "./slice_store.js";

/** @import { Component } from "./context.js" */

/** @param {Component} component */
export default function send({ data }) {
  const text = new TextDecoder().decode(data),
    end = text.indexOf("\n"),
    { id, of } = JSON.parse(text.slice(0, end)),
    slices = slicesByPage();
  if (slices.get(of)?.id !== id) slices.set(of, { id, ...JSON.parse(text.slice(end + 1)) });
  document.dispatchEvent(new CustomEvent(SLICE_TOLD, { detail: of }));
  return () => {
    slices.delete(of);
    document.dispatchEvent(new CustomEvent(SLICE_TOLD, { detail: of }));
  };
}
