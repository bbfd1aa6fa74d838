// @ts-check
// Entry point: Streamlit calls this for every rerun; the instrument is built once per payload.

import { Around } from "./around.js";
import { oneEntryPerPage } from "./history.js";
import { Instrument } from "./instrument.js";
import { followSlices } from "./slices.js";

/** @import { Component } from "./context.js" */

/** @type {WeakMap<Component["parentElement"], any>} */
const instruments = new WeakMap();

// Bytes from Python: one line of JSON for this mount, then the (cached) payload of the run.
/** @param {Uint8Array} bytes */
export function unpack(bytes) {
  const text = new TextDecoder().decode(bytes);
  const end = text.indexOf("\n");
  return { header: JSON.parse(text.slice(0, end)), body: () => JSON.parse(text.slice(end + 1)) };
}

/** @param {Component} component */
export default function mount(component) {
  oneEntryPerPage();
  const parent = component.parentElement;
  const { header, body } = unpack(component.data);
  const known = instruments.get(parent);
  if (known && known.header.id === header.id) {
    known.update(header, component);
  } else {
    const before = known && header.live && known.header.live === header.live ? known : null;
    const next =
      header.page === "around"
        ? new Around(parent, header, body(), component)
        : new Instrument(parent, header, body(), component, before);
    const place = known?.header.page === header.page ? known.tooltip.reach.place() : null;
    if (known) known.remove();
    next.tooltip.reach.goTo(place);
    instruments.set(parent, next);
    if (next instanceof Instrument) next.leaveSlices = followSlices(next);
  }
  return () => {
    const current = instruments.get(parent);
    if (current) current.remove();
    instruments.delete(parent);
  };
}
