// Steps written below a panel.

import { svg } from "./elements.js";
import { grouped } from "./numbers.js";

// Steps written below a panel, as many as there is room for.
export function timeTicks(canvas, axis, palette, x, y) {
  let last = -Infinity;
  for (const step of axis.ticks()) {
    const at = x(step);
    if (at - last < 46) continue;
    last = at;
    svg(
      "text",
      {
        x: at,
        y,
        "text-anchor": "middle",
        class: "tick",
        fill: palette.grey(0.7),
        text: grouped(step),
      },
      canvas,
    );
  }
}
