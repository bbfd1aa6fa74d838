"""What is trained for docs/results.md, and which rows its tables have.

An arm is a recipe with settings; arms with the same recipe and settings are the same runs. All
arms of an experiment get the same seeds, and a seed also draws the split of the facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from circuits.recipes.schema import load_recipe
from train.recipes import shipped

SEEDS = 3
"""The fewest that give an interval over runs."""

DATES = ("memorized_step", "id_at_memorization", "generalized_step")
ACCURACY = ("id", "id_shortcut", "ood", "ood_shortcut")
BEYOND = ("id_beyond", "id_beyond_n")
TESTED = ("id", "id_shortcut", *BEYOND, "ood", "ood_shortcut", "ood_n", "io", "oi")
CIRCUIT = ("decoded", "swap", "swap_placebo", "route_mean", "route_interchange")


@dataclass(frozen=True)
class Arm:
    """One setting, trained with every seed."""

    label: str
    """As the table names it."""
    recipe: str
    """Name of a recipe in train/recipes."""
    settings: tuple[str, ...] = ()
    """section.key=value, as for `hopscope train --set`."""

    @property
    def recipe_file(self) -> Path:
        """The recipe's file."""
        return shipped()[self.recipe]

    @property
    def needs_two_wiki(self) -> bool:
        """Whether its facts are those of a file of 2WikiMultiHopQA, which must be given."""
        return load_recipe(self.recipe_file).source.name == "two_wiki"


@dataclass(frozen=True)
class Published:
    """A column of others' numbers."""

    label: str
    numbers: Mapping[str, str]
    """As published, by measure."""


@dataclass(frozen=True)
class Experiment:
    """Arms that differ in what the experiment is about."""

    name: str
    """Also the marker of its table in the page."""
    varied: str
    """What differs between the arms: the heading of the first column."""
    arms: tuple[Arm, ...]
    measures: tuple[str, ...]
    """Keys of `measure.MEASURES`."""
    published: tuple[Published, ...] = ()
    """Columns beside those of the arms."""

    @property
    def needs_two_wiki(self) -> bool:
        """Whether one of its arms does."""
        return any(arm.needs_two_wiki for arm in self.arms)


DEMO = Arm("nothing", "demo")

EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        "phi",
        "phi",
        (
            Arm("2", "demo", ("augmentation.phi=2",)),
            Arm("4", "demo", ("augmentation.phi=4",)),
            Arm("6.2", DEMO.recipe),
        ),
        ("bridges", *DATES, *ACCURACY, *CIRCUIT),
    ),
    Experiment(
        "true_facts",
        "share of true additions",
        tuple(
            Arm(share, "correct-share", (f"augmentation.correct_share={share}",))
            for share in ("0", "0.5", "1")
        ),
        ("bridges", *DATES, *ACCURACY, *CIRCUIT),
    ),
    Experiment(
        "ood",
        "added to training",
        (
            DEMO,
            Arm("identity examples", "demo", ("splits.identity_examples=true",)),
            Arm("nothing; the blocks run twice", "demo", ("model.n_passes=2",)),
            *(
                Arm(
                    f"{k} composition{'s' * (k > 1)} per OOD fact and hop",
                    "demo",
                    ("splits.inject_ood=both_hops", f"splits.inject_per_fact={k}"),
                )
                for k in (1, 3)
            ),
        ),
        (
            *("id", "ood", "ood_shortcut", "io", "oi", "ood_decoded", "ood_swap", "ood_route"),
            *("ood_mixed", "ood_mixed_random"),
        ),
    ),
    Experiment(
        "delay",
        "weight decay",
        tuple(
            Arm(decay, "textbook", () if decay == "0.45" else (f"training.weight_decay={decay}",))
            for decay in ("0.3", "0.45")
        ),
        (*DATES, "id", *CIRCUIT),
    ),
    Experiment(
        "size",
        "width (MLP)",
        (
            Arm("64 (128)", "textbook", ("model.d_model=64", "model.d_mlp=128")),
            Arm("96 (192)", "textbook", ("model.d_model=96", "model.d_mlp=192")),
            Arm("128 (256)", "textbook"),
        ),
        (*DATES, "id", *CIRCUIT),
    ),
    Experiment(
        "grokked",
        "task",
        (
            Arm("composition, an eighth", "small-grokked-composition"),
            Arm("composition, a quarter", "quarter-grokked-composition"),
            Arm("comparison, a quarter", "small-grokked-comparison"),
        ),
        ("bridges", *DATES, *TESTED, *CIRCUIT, "ood_decoded", "ood_mixed"),
        (
            Published(
                "*Grokked*, composition", {"id": ".967 while memorizing", "ood": "0 (phi 7.2)"}
            ),
            Published("*Grokked*, comparison", {"id": "near 1", "ood": "near 1, later"}),
        ),
    ),
    Experiment(
        "wild",
        "task",
        (
            Arm("composition", "small-wild-composition"),
            Arm("comparison", "small-wild-comparison"),
        ),
        ("bridges", *DATES, *TESTED, *CIRCUIT),
        (
            Published("*Wild*, composition", {"id": ".93", "ood": ".07"}),
            Published("*Wild*, comparison", {"id": "1.00", "ood": ".96"}),
        ),
    ),
)
"""In the order of the page."""
