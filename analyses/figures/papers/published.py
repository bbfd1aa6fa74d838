"""Numbers of *Grokking in the Wild* (Abramov, Steinbauer, Kasneci 2025, arXiv 2504.20752).

`TABLE_3` is its Table 3 (structured data). `FIGURE_4` holds the points that we decoded from the
vector data of its Figure 4: (step, accuracy). Its test sets have 50 to 300 questions.
"""

from __future__ import annotations

from collections.abc import Mapping

WILD = "Abramov, Steinbauer and Kasneci 2025, arXiv 2504.20752"
GROKKED = "Wang, Yue, Su and Sun 2024, arXiv 2405.15071"

NO_SPLIT = "no split"
"""A method that was asked all questions alike."""

TABLE_3: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "comparison": {
        "original data": {"id_test": 0.70, "ood_test": 0.59},
        "GPT-4o": {NO_SPLIT: 0.87},
        "o1-mini": {NO_SPLIT: 0.88},
        "grokked": {"id_test": 1.00, "ood_test": 0.96},
    },
    "composition": {
        "original data": {"ood_test": 0.03},
        "GPT-4o": {NO_SPLIT: 0.25},
        "o1-mini": {NO_SPLIT: 0.32},
        "grokked": {"id_test": 0.93, "ood_test": 0.07},
    },
}
"""Accuracy by task, method and split."""

FIGURE_4: Mapping[str, Mapping[str, tuple[tuple[int, float], ...]]] = {
    "comparison": {
        "id_test": ((250, 0.94),),
        "ood_test": ((50, 0.28), (1_000, 0.67), (2_000, 0.88), (112_000, 0.95)),
    },
    "composition": {
        "train_inferred": ((5_500, 1.0),),
        "id_test": (
            (500, 0.08), (5_500, 0.28), (8_000, 0.52), (13_000, 0.76), (20_000, 0.80),
            (175_000, 0.92),
        ),
    },
}  # fmt: skip
"""Points of the curves by task and split; composition OOD stays between 0 and 0.07 throughout."""

YES_OR_NO = 0.5
"""Accuracy of guessing in a comparison whose answers are yes and no, equally often."""
