"""Facts that a language model proposes, as in *Grokking in the Wild* (arXiv 2504.20752, section 4).

1. Open slots (subject, relation) of fitting types are chosen (`slots`), in batches of one relation.
2. A batch is a prompt with a JSON schema for the answer (`prompts`); a server answers it, once
   (`asking`, `server`, `answers`).
3. Every proposed fact is accepted, or rejected for a counted reason (`judging`).
4. The graph is written with the accepted facts, each with the model, the prompt's digest and
   whether what the source holds back agrees (`augmented`).

Nothing here knows of training; what is added to reach a phi is chosen in `circuits.corpus.
augmentation`.
"""
