// @ts-check
// Entry point beside the instrument's: hands over the slice that the address names with its means,
// or the values of single questions. Streamlit sends a component's script with each of its
// messages, and the instrument's is longer than any slice.

import { choose, sliceStore, tellSlice } from "./slice_store.js";

/** @import { Component } from "./context.js" */

/** @param {Component} component */
export default function send({ data }) {
  const end = data.indexOf(10),
    text = (/** @type {Uint8Array} */ bytes) => new TextDecoder().decode(bytes),
    { of, id, chosen, told } = JSON.parse(text(data.subarray(0, end))),
    body = data.slice(end + 1),
    { slices, values } = sliceStore();
  if (chosen) {
    slices.set(of, { id, told, ...JSON.parse(text(body)) });
    choose(chosen, told);
  } else if (id && values.get(of)?.id !== id) {
    values.set(of, { id, bytes: body });
    tellSlice();
  }
  return () => {
    (chosen ? slices : values).delete(of);
    tellSlice();
  };
}
