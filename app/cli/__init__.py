"""The `hopscope` command: one module per sub-command, thin, and imported when it is called.

The packages below do the work; arguments, messages and tables live here. `app.cli.__main__` is
where the command begins.
"""

ABOUT = "Watch the circuit for two-hop reasoning form while a transformer groks."

COMMANDS = {
    "data": "Report on a source: phi per relation, shortcuts, splits, what augmentation would add.",
    "augment": "Add facts that a language model proposes; each keeps the model and "
    "prompt it came from.",
    "train": "Train a recipe into a run folder, or resume a stopped run.",
    "import": "Make a run of a series of checkpoints that others trained, and check "
    "that it is whole.",
    "sweep": "Train a recipe over a grid of values and several seeds.",
    "analyze": "Measure every checkpoint of RUN; stored results are not computed again.",
    "certify": "Say whether RUN composes: a verdict, and each criterion with its interval.",
    "check": "Find steps of SOURCE that are missing, damaged, the same, or in another's place.",
    "compare": "Spread of results over RUNS with 95% intervals, and whether they form "
    "the same circuit.",
    "export": "Write figures of RUN, each with its data (.csv) and provenance (.json).",
    "sheet": "Draw a sheet of figures of one or several runs, with data and provenance "
    "of each panel.",
    "paper": "Redraw the figures of Wild and Grokked from RUNS; say which run feeds which panel.",
    "publish": "Write a static site of RUNS: the instrument, questions, figures, provenance.",
    "runs": "List the runs in FOLDER with state, accuracy, size and tags; remove those "
    "that are named.",
    "app": "Open the dashboard in a browser; it runs until Ctrl-C.",
}
"""What each command does. It is the function `<name>_command` in the module `<name>` beside this
one, or in the module that `MODULES` names."""

MODULES = {"import": "import_series"}
