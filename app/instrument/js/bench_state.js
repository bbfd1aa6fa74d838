// @ts-check
// What the user has made of a circuit: a start (the base, or the strongest edges), edges that were
// removed or put back, notes on components, groups of heads. No element is made here.

/** @import { Bench, BenchState, Edited } from "./payload.js" */

export class BenchChoice {
  /**
   * @param {Bench} bench
   * @param {Edited} edited
   */
  constructor(bench, edited) {
    this.bench = bench;
    this.serial = edited.serial;
    this.source = "";
    /** @type {Set<number>} */
    this.base = new Set();
    /** @type {BenchState} */
    this.state = edited.state;
    this.adopt(edited);
  }

  // What Python says counts where another circuit was chosen; else only its base does.
  /** @param {Edited} edited */
  adopt(edited) {
    this.base = new Set(edited.kept);
    if (edited.source === this.source) return;
    this.source = edited.source;
    this.serial = edited.serial;
    this.state = structuredClone(edited.state);
  }

  /** @param {Edited} edited */
  answeredBy(edited) {
    return edited.serial === this.serial && edited.source === this.source;
  }

  // Ids of the edges that are kept now.
  kept() {
    const { size, toggled } = this.state;
    const kept = new Set(size === null ? this.base : this.bench.ranked.slice(0, size));
    for (const id of toggled) if (!kept.delete(id)) kept.add(id);
    return kept;
  }

  /** @param {number} size The strongest edges only. */
  strongest(size) {
    this.change({ size, toggled: [] });
  }

  again() {
    this.change({ size: null, toggled: [] });
  }

  /**
   * Keeps or leaves out some edges.
   * @param {number[]} ids
   * @param {boolean} keep
   */
  keep(ids, keep) {
    const kept = this.kept(),
      toggled = new Set(this.state.toggled);
    for (const id of ids) {
      if (kept.has(id) !== keep && !toggled.delete(id)) toggled.add(id);
    }
    this.change({ toggled: [...toggled].sort((a, b) => a - b) });
  }

  /**
   * @param {string} component
   * @param {string} text
   */
  note(component, text) {
    const { [component]: _, ...notes } = this.state.notes;
    this.change({ notes: text.trim() ? { ...notes, [component]: text } : notes });
  }

  /**
   * Puts heads into a group, out of any other; an empty name takes them out.
   * @param {string[]} heads
   * @param {string} name
   */
  group(heads, name) {
    /** @type {Record<string, string[]>} */
    const groups = {};
    for (const [other, members] of Object.entries(this.state.groups)) {
      const left = members.filter((head) => !heads.includes(head));
      if (left.length) groups[other] = left;
    }
    const wanted = name.trim();
    if (wanted) groups[wanted] = [...(groups[wanted] ?? []), ...heads];
    this.change({ groups });
  }

  /** @param {string} head */
  groupOf(head) {
    const found = Object.entries(this.state.groups).find(([, heads]) => heads.includes(head));
    return found ? found[0] : null;
  }

  /** @param {Partial<BenchState>} changed */
  change(changed) {
    this.state = { ...this.state, ...changed };
    this.serial += 1;
  }
}

/**
 * Whether a circuit without any edge was discovered, and nothing was made of it yet.
 * @param {BenchChoice} choice
 */
export function nothingFound({ base, state }) {
  return base.size === 0 && state.size === null && state.toggled.length === 0;
}

/**
 * The name of a component, e.g. "head 0.3 at relation 1".
 * @param {Bench} bench
 * @param {number} i
 */
export function componentName(bench, i) {
  const { row, position, head, name } = bench.components[i];
  if (row === bench.rows.length - 1) return "the answer";
  const kind = head === null ? bench.rows[row] : `head ${name.slice(5, name.indexOf("["))}`;
  return `${kind} at ${bench.columns[position]}`;
}

/**
 * The part of an attention layer's input that an edge goes into, "" for all of it.
 * @param {string} edge
 */
export function partOf(edge) {
  const part = edge.split(">")[1].split("]")[1] ?? "";
  return part ? ` (${part.slice(1)})` : "";
}

/**
 * The place on the curve at, or next below, a number of edges.
 * @param {number[]} sizes Rising.
 * @param {number} size
 */
export function placeOnCurve(sizes, size) {
  let place = 0;
  sizes.forEach((at, i) => {
    if (at <= size) place = i;
  });
  return place;
}
