// Several runs on one timeline: by step, or by how far ID accuracy has come.

class CompareView {
  constructor(root, context) {
    this.context = context;
    this.compared = context.data.compared;
    this.sentence = html("p", { class: "sentence", "aria-live": "polite" }, root);
    const grid = html("div", { class: "compare-grid" }, root);
    this.panels = this.compared.panels.map((panelData) => new Curves(grid, context, {
      title: panelData.title, hint: panelData.hint || "", height: 190, className: "two-line",
      scale: panelData.scale || "share", series: panelData.series,
      references: panelData.references || [],
    }));
    context.playhead.follow(() => this.draw());
  }

  splitChanged() {}

  build(width) {
    const each = Math.floor((width - 10) / 2) - 18;
    for (const curves of this.panels) curves.build(each);
    this.draw();
  }

  draw() {
    const first = this.panels[0];
    const place = this.context.playhead.step;
    const words = first.series.map((s) => `${s.name} ${percent(first.valueAt(s, place))}`);
    this.sentence.textContent = this.compared.aligned === "accuracy"
      ? `Where ID accuracy has first reached ${place}%: ${words.join(", ")} of trained questions are right.`
      : `At step ${grouped(place)} ID accuracy is: ${words.join(", ")}.`;
  }
}
