"""The catalog of analyses, read by the command line, the walk and the export of figures.

To add an analysis (`analyses.analysis` says what it is), add its file and an entry here. Options
that are defined in `analyses.options` and named in the entry are known without importing the
analysis, which needs PyTorch.
"""

from __future__ import annotations

from analyses import latent_entries
from analyses.analysis import Analysis
from analyses.elsewhere import installed
from analyses.options import certificate, circuits, interventions, over_training, readouts
from analyses.options.common import AnalysisOptions, SpanOptions

__all__ = ["CATALOG", "Analysis", "AnalysisOptions"]

_ENTRIES = (
    Analysis(
        "logit_lens",
        "Logit lens",
        "Decodes every residual state with the final norm and the unembedding and ranks the "
        "bridge, the later relations and the answer. A mean reciprocal rank near 1 means that the "
        "token can be read off there; `mrr_added` is what the question adds to that.",
        "analyses.readouts.logit_lens",
        SpanOptions,
        bridges=True,
    ),
    Analysis(
        "causal_tracing",
        "Causal tracing",
        "Overwrites one residual state with its value for a corrupted question, and the other way "
        "round. The share of answers that flip is the strength of the path from that state.",
        "analyses.interventions.causal_tracing",
        interventions.CausalTracingOptions,
        version=2,
        bridges=True,
    ),
    Analysis(
        "bridge_patching",
        "Bridge patching",
        "Writes a state of one question into another with a different bridge and counts how often "
        "the answer becomes the other bridge's. Placebo donors show what patching does by itself.",
        "analyses.interventions.bridge_patching",
        interventions.BridgePatchingOptions,
        bridges=True,
    ),
    Analysis(
        "trace_classes",
        "Trace classes",
        "Sorts questions by whether the bridge is decoded at a state that the answer can still "
        "depend on, and whether the answer is right. Right answers without the bridge are the "
        "mark of fake grokking.",
        "analyses.readouts.trace_classes",
        readouts.TraceClassOptions,
        version=3,
        splits=("train_inferred", "id_test", "ood_test", "io_test", "oi_test", "asked"),
        bridges=True,
    ),
    Analysis(
        "coverage",
        "Coverage by trained questions",
        "Counts, from the training data alone, the contexts that show a question's parts to act "
        "like those of trained questions, and gives accuracy by that count. Questions answered "
        "although no first hop covers them were reached by composition or by a shortcut.",
        "analyses.readouts.coverage",
        readouts.CoverageOptions,
        splits=("id_test", "io_test", "oi_test", "ood_test", "asked"),
        bridges=True,
    ),
    Analysis(
        "probes",
        "Probes and geometry of the bridge",
        "Trains a linear probe for the bridge at every state and tests it on first hops it has "
        "not seen, against shuffled labels. Cosines show how similar states with the same bridge "
        "are to each other, and to its embedding.",
        "analyses.readouts.probes",
        readouts.ProbeOptions,
        version=2,
        bridges=True,
    ),
    Analysis(
        "tuned_lens",
        "Tuned lens",
        "Applies the logit lens after an affine translator per layer, which is trained at each "
        "checkpoint. It reads what a state will become, whereas the plain lens assumes that the "
        "state is already in the last layer's basis.",
        "analyses.readouts.tuned_lens",
        readouts.TunedLensOptions,
        version=2,
        bridges=True,
    ),
    Analysis(
        "back_patching",
        "Back-patching",
        "Writes a late state of a question into an earlier layer of the same question. Wrong "
        "answers that this mends, beyond those that another question's state mends, were computed "
        "too late.",
        "analyses.interventions.back_patching",
        AnalysisOptions,
        tasks=("composition", "comparison"),
        bridges=True,
    ),
    Analysis(
        "attention_knockout",
        "Attention knockout",
        "Keeps one position from reading another, in some blocks or in all of them, and counts the "
        "right answers that are lost. A model that composes needs the edge from relation 1, where "
        "the bridge is looked up, to the last position.",
        "analyses.interventions.attention_knockout",
        interventions.AttentionKnockoutOptions,
        tasks=("composition", "comparison"),
        bridges=True,
    ),
    Analysis(
        "mixing",
        "Mixing the bridge back in",
        "Adds the embedding of the decoded bridge to the state at relation 1 and asks for the "
        "answer. If accuracy rises more than with a random entity, hop two lacked the bridge in "
        "that form.",
        "analyses.interventions.mixing",
        interventions.MixingOptions,
        bridges=True,
    ),
    Analysis(
        "attention",
        "Attention patterns and head scores",
        "Measures how much every head attends from each position to each other, and what its "
        "output adds to the logits of bridge and answer. A head of the circuit reads the subject "
        "at relation 1, or relation 1 at the last position.",
        "analyses.readouts.attention",
        readouts.AttentionOptions,
        tasks=("composition", "comparison"),
        bridges=True,
    ),
    Analysis(
        "weights",
        "Weights and gradients",
        "Measures the norms of all parameters, the effective ranks of all matrices, and the "
        "cosine between gradient and weights. A cosine near -1 means that training only scales "
        "the weights up.",
        "analyses.readouts.weights",
        readouts.WeightOptions,
        version=2,
        tasks=("composition", "comparison"),
        splits=("train_inferred",),
    ),
    Analysis(
        "learning_coefficient",
        "Local learning coefficient",
        "Samples weights around a checkpoint and measures how fast the training loss rises, for "
        "all weights and for each head. A lower coefficient at equal loss is a simpler solution; "
        "compare checkpoints only at equal options.",
        "analyses.readouts.learning_coefficient",
        readouts.LearningCoefficientOptions,
        tasks=("composition", "comparison"),
        splits=("train_inferred",),
        default_steps="last",
        on_request=True,
    ),
    Analysis(
        "component_patching",
        "Component patching",
        "Overwrites the output of one attention layer, head or MLP at one position with its value "
        "for a corrupted question. The fall of the answer's logit, relative to the corrupted "
        "question's answer, shows which token of the question the component carries there.",
        "analyses.interventions.component_patching",
        interventions.ComponentPatchingOptions,
        splits=("id_test",),
        bridges=True,
    ),
    Analysis(
        "path_patching",
        "Path patching",
        "Lets the output of one component for a corrupted question reach a single later "
        "component, while all others stay as they were. The fall of the answer's logit shows what "
        "that edge carries.",
        "analyses.circuits.path_patching",
        circuits.PathPatchingOptions,
        splits=("id_test",),
        default_steps="last",
        one_token=True,
    ),
    Analysis(
        "attribution",
        "Attribution patching",
        "Predicts the effect of patching every component from gradients, at the cost of a few "
        "backward passes. Its correlation with real patching shows how far to trust it.",
        "analyses.interventions.attribution",
        interventions.AttributionOptions,
        version=2,
        splits=("id_test",),
        default_steps="last",
        one_token=True,
    ),
    Analysis(
        "circuit_discovery",
        "The circuit",
        "Finds the edges between components that carry the answer, by path patching against "
        "placebo patches. With a faithful circuit alone the model answers as before, and without "
        "a complete circuit it cannot.",
        "analyses.circuits.discovery",
        circuits.DiscoveryOptions,
        version=3,
        splits=("train_inferred", "id_test"),
        one_token=True,
    ),
    Analysis(
        "route_ablation",
        "Only the two-hop route, and without its bridge",
        "Cuts either every edge that bypasses the bridge or every edge that carries it, the same "
        "edges at all steps. Accuracy and loss of the two models show how much of the answer is "
        "composition and how much is shortcut.",
        "analyses.circuits.route_ablation",
        circuits.RouteAblationOptions,
        version=3,
        splits=("train_inferred", "id_test"),
        one_token=True,
    ),
    Analysis(
        "edit_propagation",
        "Edit propagation",
        "Changes one atomic fact by a small fine-tune and asks the two-hop questions that go "
        "through it. New answers show that they read the fact where it was changed; old ones are "
        "no sign of memorization, since the change may sit where no second hop can read it.",
        "analyses.interventions.edit_propagation",
        interventions.EditPropagationOptions,
        version=2,
        splits=("id_test", "ood_test"),
        default_steps="last",
    ),
    Analysis(
        "bridge_subspace",
        "The subspace of the bridge",
        "Learns a subspace of the state at relation 1 in which swaps give the answer for another "
        "bridge, and tests it on other questions. Random and shuffled subspaces show what a swap "
        "in any subspace does.",
        "analyses.interventions.bridge_subspace",
        interventions.BridgeSubspaceOptions,
        splits=("id_test",),
        default_steps="last",
        bridges=True,
    ),
    Analysis(
        "transfer",
        "Transfer to new facts",
        "Learns new facts by a fine-tune, as atomic prompts beside kept examples, and asks two-hop "
        "questions by which hop is new. Right answers with a new first hop show that the second "
        "hop is computed from whatever bridge the first one gives.",
        "analyses.interventions.transfer",
        interventions.TransferOptions,
        splits=("id_test",),
        default_steps="last",
    ),
    Analysis(
        "interchange",
        "Interchange of the bridge (TransformerLens)",
        "Learns the bridge's subspace at relation 1 with TransformerLens's DAS, and beside it one "
        "towards arbitrary answers, a random one and a move of equal length. Only what the learned "
        "one brings beyond those speaks for the bridge.",
        "analyses.interventions.interchange",
        interventions.InterchangeOptions,
        splits=("id_test",),
        default_steps="last",
        on_request=True,
        bridges=True,
        one_token=True,
    ),
    Analysis(
        "sparse_probes",
        "Sparse probes of the bridge",
        "Tells one bridge from the others by its 1, 4 or 16 best neurons at relation 1, on facts "
        "that were held out. Shuffled labels show what a choice among so many neurons finds in "
        "nothing.",
        "analyses.readouts.sparse_probes",
        readouts.SparseProbeOptions,
        splits=("id_test",),
        default_steps="last",
        on_request=True,
        bridges=True,
    ),
    Analysis(
        "jacobian_lens",
        "Jacobian lens",
        "Carries each state to the output by the average derivative of the output to it, and ranks "
        "bridge, relations and answer. What it reads is what the state makes the model say, not "
        "what it resembles.",
        "analyses.readouts.jacobian_lens",
        readouts.JacobianLensOptions,
        default_steps="last",
        on_request=True,
        bridges=True,
    ),
    *latent_entries.ENTRIES,
    Analysis(
        "evidence",
        "The certificate's evidence",
        "Asks the same questions of the model, of every shortcut, of a lens, of swapped bridges "
        "and of the two-hop route alone. `hopscope certify` judges from it whether a run composes.",
        "analyses.certificate.evidence",
        certificate.EvidenceOptions,
        default_steps="last",
    ),
    Analysis(
        "crosscoder",
        "Crosscoder over checkpoints",
        "Fits one sparse code to the states of several checkpoints, so that every feature has a "
        "strength at each of them and a step of birth. How well single features name the known "
        "bridge, beside a probe, says whether sparse features find what is there.",
        "analyses.over_training.crosscoder",
        over_training.CrosscoderOptions,
        splits=("train_inferred",),
        joint=True,
        on_request=True,
        bridges=True,
    ),
    Analysis(
        "comparison_tracing",
        "Causal tracing of comparisons",
        "Overwrites one state with its value for a question whose attribute or entity was "
        "replaced so that the label changes. The share of answers that are then wrong is the "
        "strength of that state, to be read beside the accuracy without a patch.",
        "analyses.interventions.comparison_tracing",
        interventions.ComparisonTracingOptions,
        tasks=("comparison",),
        bridges=True,
    ),
    Analysis(
        "comparison_lens",
        "Logit lens of comparisons",
        "Ranks the two compared values and the label at every state. A value that can be read "
        "off its entity's position has been looked up there.",
        "analyses.readouts.comparison_lens",
        AnalysisOptions,
        tasks=("comparison",),
        bridges=True,
    ),
)

# Ours come last: a name of ours stays ours.
CATALOG: dict[str, Analysis] = installed() | {entry.name: entry for entry in _ENTRIES}
