"""A paper figure: three steps of one analysis on a sheet with letters, at a venue's width."""

from analyses import Sheet, export, figure, stored_result
from circuits import open_run

tracing = stored_result(open_run("assets/textbook"), "causal_tracing")
steps = (0, 800, int(tracing.step[-1]))
panels = tuple(figure(tracing, "strength", step, split="id_test") for step in steps)
sheet = Sheet(name="forming", title="A circuit forms", panels=panels, columns=3)
for path in export(sheet, "forming.pdf", width="neurips"):
    print(path)
