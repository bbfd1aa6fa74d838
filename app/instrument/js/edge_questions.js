// The questions behind an edge of the circuit: those on which it does most, and those on which least.

import { html } from "./elements.js";
import { nats } from "./numbers.js";

export class EdgeQuestions {
  constructor(drawer, context) {
    Object.assign(this, { context, drawer });
    this.tokens = html("div", {
      class: "views",
      role: "radiogroup",
      "aria-label": "Token that is replaced",
    });
    drawer.title.after(this.tokens);
    this.lists = html("div", { class: "edge-questions" }, drawer.box);
    [this.most, this.least] = ["most", "least"].map(() => html("div", {}, this.lists));
  }

  // Whether there is an edge to show; what stood there of another one goes.
  show(chosen) {
    const shown = Boolean(chosen && chosen.kind === "found");
    this.drawer.box.classList.toggle("of-edge", shown);
    if (shown) this.draw(chosen);
    return shown;
  }

  draw(chosen) {
    const { data, playhead, split } = this.context,
      found = data.bySplit[split]?.discovered;
    const carried = found?.singles ? found.singles.of(playhead.index, chosen.edge) : [];
    this.tokens.replaceChildren();
    this.lists.style.display = carried.length ? "" : "none";
    if (!carried.length) {
      const why =
        found && !found.singles
          ? "questions not kept, run `hopscope analyze` --again"
          : "not in the circuit of this step";
      this.drawer.title.textContent = `${this.context.edgeName(chosen.edge)}: ${why}.`;
      return;
    }
    const mean = ({ token }) => found.effect.at(playhead.index, chosen.edge, token) ?? 0;
    carried.sort((a, b) => Math.abs(mean(b)) - Math.abs(mean(a)));
    const pair = carried.find(({ token }) => token === chosen.token) || carried[0];
    for (const other of carried) this.tokenButton(chosen, other, other === pair);
    this.fill(found, pair, mean(pair));
  }

  tokenButton(chosen, { token }, pressed) {
    const button = html(
      "button",
      { role: "radio", "aria-checked": pressed, text: this.context.data.positions[token].label },
      this.tokens,
    );
    button.onclick = () => {
      chosen.token = token;
      this.draw(chosen);
    };
  }

  fill(found, { pair, token }, mean) {
    const { data, playhead } = this.context,
      singles = found.singles;
    this.drawer.title.textContent = `${nats(mean)} nats on average over ${singles.n[playhead.index][pair]} questions with another`;
    this.drawer.title.title = `How far the logit of the answer falls, against the one with another ${data.positions[token].label}, when that is let through along this edge alone.`;
    const rows = (end) =>
      singles
        .at(playhead.index, pair, end)
        .map(({ i, effect }) => ({ text: found.examples[i], effect }));
    this.list(this.most, "does most (nats)", rows("most"));
    this.list(this.least, "does least", rows("least"));
  }

  list(column, heading, rows) {
    column.replaceChildren();
    html("h4", { text: heading }, column);
    const list = html("ol", {}, column);
    for (const row of rows) {
      const item = html("li", { title: row.text }, list);
      html("span", { class: "verdict", text: nats(row.effect) }, item);
      item.append(row.text);
    }
  }
}
