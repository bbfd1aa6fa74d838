"""A custom analysis from outside the package: how sure the model is of its answers.

`run` measures one checkpoint and one split; `add_analysis` puts it into the catalog of this
process. The walk over checkpoints, the store and figures then treat it like any other.
"""

import numpy as np
import xarray as xr

from analyses import Analysis, add_analysis, analyze, export, figure
from analyses.figures.specs.charts import Lines, Series
from analyses.options.common import AnalysisOptions as Options
from circuits import open_run


def run(model, examples, options: Options) -> xr.Dataset:
    """Mean entropy of the answers in nats: 0 for certainty, log(d_vocab) for none."""
    log_p = model(examples.queries.tokens)[:, -1].log_softmax(-1)
    return xr.Dataset({"entropy": -(log_p.exp() * log_p).sum(-1).mean().item()})


def certainty(result: xr.Dataset, *, step=None) -> Lines:
    """How uncertain the answers are over training."""
    curves = tuple(
        Series(label=str(s), x=result.step.values, y=result.entropy.sel(split=s).values, colour=i)
        for i, s in enumerate(result.split.values)
    )
    labels = {"x_label": "training step", "y_label": "entropy (nats)"}
    return Lines(name="certainty", title="Certainty of answers", series=curves, **labels)


about = "Measures the entropy of the answers. Low entropy is certainty, right or wrong."
figures = (f"{__name__}:certainty",)
add_analysis(Analysis("certainty", "Certainty", about, __name__, Options, figures=figures))

result = analyze(open_run("assets/demo"), "certainty", steps=[0, 600, 6000], progress=False)
print(np.round(result.entropy.to_pandas(), 2))
export(figure(result), "certainty.pdf")
