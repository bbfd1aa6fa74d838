"""Patch the bridge: one question answers with another question's first hop.

The state of Abuja's question after one block, at relation 1, is overwritten with Colombia's. The
second relation stays, so a model that composes answers for the other bridge.
"""

from circuits import Patch, open_run, run_patched

run = open_run("assets/demo")
model = run.model()
unseen = run.queries("id_test")
question, donor = unseen[:1], unseen[189:190]
patch = Patch("resid_pre", layers=1, positions=1)


def top(logits) -> str:
    """The model's answer by name."""
    return run.vocab.name(int(logits[..., -1, :].argmax() if logits.ndim == 3 else logits.argmax()))


before = top(model(question.tokens))
after = top(run_patched(model, question.tokens, patch, source=donor.tokens))

print("question:", question[0].text)
print("donor:   ", donor[0].text)
print(f"answer: {before}; with the donor's bridge: {after}")
