"""Tuned lens: the logit lens after an affine translator per layer (Belrose et al., 2303.08112).

The logit lens assumes that a middle state is in the final state's basis. The tuned lens learns, at
each checkpoint, what a state will become:

1. Collect the states of trained questions at all positions. Questions with the first hop of an
   example are left out, because their state at relation_1 is identical to the example's. If too few
   others remain, as in a tiny run, the draw is from all trained questions; `lens_seen` then says
   for how many examples the lens may only recall what it has seen.
2. Fit one translator per layer to these states (`circuits.model.tuned_lens`).
3. Compute rank, MRR and probability of the targets as in the logit lens, and the KL divergence of
   both lenses on the examples; `mrr_added` is what the question adds to the MRR, as there: beyond
   the same translators' reading of a placebo question.

At each position the lens reads what the model goes on to predict *there*; at relation_1 that is the
answer to the atomic prompt (h, r1), the bridge.

True by construction, and so no findings: at the last layer both lenses are the model's output, with
a divergence of 0; the answer at S[depth, last] comes first exactly if the model is right; the
states at the subject and at relation_1 are those of the prompts h and (h, r1), so that whatever is
read there is known of the *fact* (`analyses.usable`).

How to read: As the logit lens; where the tuned lens reads what the plain one does not (.89 against
.42 for the demo's bridge at S[1, relation_1]), the token is there in another basis. The divergence
from the model's output should fall with depth.

What misleads: The lens is fitted to the model's own output at each position, which at relation_1 is
the bridge: a high MRR there says that the state is on the way to answering the atomic prompt, not
that a question uses it. If `lens_seen` is large, the lens may recall rather than read. It is
refitted at each checkpoint, so its changes are not only the model's.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Int

from analyses.estimates import estimated
from analyses.options.readouts import TunedLensOptions as Options
from analyses.questions.examples import Examples
from analyses.questions.placebos import draw_placebos
from analyses.readouts.lens import (
    added_by_question,
    columns_of,
    rank_of_layers,
    ranks_of_layers,
)
from analyses.readouts.logit_lens import lens_targets
from analyses.readouts.states import SEEN, first_hops_seen, states, trained_questions
from circuits.model.protocol import Model
from circuits.model.tuned_lens import TunedLens, divergence


@torch.no_grad()
def run(model: Model, examples: Examples, options: Options) -> xr.Dataset:
    """Rank, MRR and probability of bridges, later relations and answer through a tuned lens.

    Returns:
        mrr, probability, mrr_added (target, layer, position) and rank_example as in logit_lens;
        kl and kl_logit_lens (layer, position): divergence of each lens from the final output, in
        nats;
        lens_seen: share of examples whose first hop is among those that the lens learned from.
    """
    queries = examples.queries
    train = trained_questions(examples.corpus, options.n_train, options.seed, queries)
    lens = TunedLens.fit_states(model, states(model, train), **options.fitting())
    here = states(model, queries)
    layers = len(here)
    names, tokens = lens_targets(queries)
    targets = dict(zip(names, tokens.T, strict=True))
    variables = ranks_of_layers((lens(resid, i) for i, resid in enumerate(here)), targets)
    seed = options.seed

    def placebo() -> tuple[Int[np.ndarray, "n target layer pos"], Bool[np.ndarray, " n"]]:
        drawn = examples.once(("placebos", seed), lambda: draw_placebos(examples, seed))
        theirs = states(model, queries.asking(drawn.tokens))
        beside = rank_of_layers((lens(resid, i) for i, resid in enumerate(theirs)), targets)
        return beside, drawn.valid

    variables |= added_by_question(queries, variables["rank_example"][1], placebo)
    final = model.logits_of(here[-1]).log_softmax(-1)
    for name, tuned in (("kl", True), ("kl_logit_lens", False)):
        read = (lens(x, i) if tuned else model.logits_of(x) for i, x in enumerate(here))
        kl = torch.stack([divergence(final, logits) for logits in read], 1)
        variables |= estimated(
            name,
            kl.cpu().numpy(),
            ("layer", "position"),
            "KL from the final output",
            units="nat",
            keep=False,
        )
    seen = first_hops_seen(train, queries).astype(float)
    variables |= estimated("lens_seen", seen, (), SEEN, shares=True, keep=False)
    variables |= columns_of(queries)
    coords = {
        "target": list(targets),
        "layer": np.arange(layers),
        "position": list(queries.positions),
    }
    return xr.Dataset(variables, coords)
