import type { Axis } from "./axis.js";
import type { Palette } from "./colours.js";
import type { RunData } from "./dataset.js";
import type { Chosen } from "./formation_series.js";
import type { Looked } from "./heads_data.js";
import type { Edited, Metrics, Phase, SplitMeasures } from "./payload.js";
import type { Playhead } from "./playhead.js";
import type { Tooltip } from "./tooltip.js";

/** What Python says beside the payload. */
export interface Header {
  page: string;
  /** Of the payload: another id builds the instrument anew. */
  id: string;
  /** The run that is being trained. */
  live?: string;
  step: number | null;
  /** Changes when Python goes to another step, split or circuit. */
  jump?: string;
  split: string;
  circuit: string | null;
  /** The answer to what the user has made of a circuit. */
  edited?: Edited;
  /** What the page Heads begins with, if the address says it. */
  looked?: Looked | null;
  /** Stop of the guided tour, from 1, and the panel that is presented. */
  tour?: number | null;
  present?: string | null;
}

/** Some of the questions: their measures, by split; of all questions both are empty. `told`: how
 * many choices the server knew of. */
export interface Slice {
  id: string;
  told: number;
  measures: Record<string, SplitMeasures>;
}

/** A panel that can be shown alone. */
export interface Presented {
  parts: { box: HTMLElement };
  build(width: number): void;
  /** Pixels, in its usual size, that it does not get smaller than when it is enlarged. */
  least?: number;
}

/** What Streamlit's components v2 hand over. */
export interface Component {
  parentElement: Element | ShadowRoot;
  data: Uint8Array;
  setStateValue(name: string, value: unknown): void;
  setTriggerValue(name: string, value: unknown): void;
}

/** What fills the room below the timeline. */
export interface Page {
  build(width: number): void;
  splitChanged(): void;
  /** Python has said something new beside the same payload. */
  told?(header: Header): void;
  goOnFrom?(before: any): void;
  /** Panels to be presented, by the name that the address has. */
  presented?(): Record<string, Presented>;
}

/** What all parts of an instrument share. */
export interface Context {
  root: HTMLElement;
  data: RunData;
  playhead: Playhead;
  metrics: Metrics;
  phases: Phase[];
  axis: Axis;
  palette: Palette;
  tooltip: Tooltip;
  /** The split that is shown, and whether "states" or "edges" are. */
  split: string;
  circuit: string | null;
  tour: number | null;
  present: string | null;
  /** Whether the page has curves that can be smoothed, and by how much they are. */
  curved: boolean;
  smoothing: number;
  chosen: Chosen;
  select(chosen: Chosen): void;
  edgeName(edge: number): string;
  /** Python keeps the split and the circuit in the address. */
  keep(): void;
  rebuild(): void;
  /** Shows another step (null: the same), split and circuit. */
  goTo(place: Pick<Header, "step" | "split" | "circuit">): void;
  send(name: string, value: unknown): void;
  splitButtons(bar: HTMLElement): void;
}
