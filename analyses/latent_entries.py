"""Entries of the catalog for `analyses.latent`: what is asked of pretrained models above all."""

from __future__ import annotations

from analyses.analysis import Analysis
from analyses.options.common import AnalysisOptions
from analyses.options.latent import PatchscopesOptions

ENTRIES = (
    Analysis(
        "composability",
        "Latent composability",
        "Asks both hops, their composition, and the question without one of its parts. Right "
        "answers among questions whose hops are both known, and which no part gives away, are what "
        "a model composes.",
        "analyses.latent.composability",
        AnalysisOptions,
        bridges=True,
    ),
    Analysis(
        "patchscopes",
        "Patchscopes",
        "Writes each state into a prompt that repeats words, and ranks bridge, relations and "
        "answer among what the model then says. It reads states that later layers understand, "
        "though no lens does; a model that does not follow the prompt reads nothing.",
        "analyses.latent.patchscopes",
        PatchscopesOptions,
        on_request=True,
        bridges=True,
        needs_text=True,
    ),
)
