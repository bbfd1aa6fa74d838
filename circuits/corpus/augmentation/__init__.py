"""Make a graph denser, until a model of it can grok.

1. The goal is a number of inferred facts (phi per ID fact, plus those held out), or a least phi_r
   for every relation, or the sizes of a preset.
2. Stages, in the recipe's order, add facts until it is reached: true facts that the source holds
   back, type-consistent objects for empty slots, new entities.
3. With `correct_share`, part of the true additions is made false by exchanging objects, which
   leaves all counts as they were.

*Grokking in the Wild* (arXiv 2504.20752, section 4) adds facts by a language model, some of them
wrong; here the share of wrong ones is a setting, and every fact records where it comes from.
"""

from circuits.corpus.augmentation.augment import augment
from circuits.corpus.augmentation.report import AugmentationReport

__all__ = ["AugmentationReport", "augment"]
