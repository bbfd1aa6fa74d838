"""`hopscope augment`: facts that a language model, or a file, adds to a graph."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import say
from circuits.errors import HopscopeError

if TYPE_CHECKING:
    from circuits.corpus.proposals.augmented import Outcome


def augment_command(
    source: Annotated[
        str, typer.Argument(help="A source (geonames, ...), a file of facts, or a recipe (.toml).")
    ],
    with_: Annotated[
        str,
        typer.Option("--with", help="openai:MODEL@BASE_URL, any compatible server; or file:FACTS."),
    ],
    out: Annotated[Path, typer.Option(help="The graph with added facts, as JSON lines.")],
    facts: Annotated[int, typer.Option(help="Facts to ask for, at most.", min=1)] = 1000,
    batch: Annotated[int, typer.Option(help="Facts asked for in a prompt.", min=1)] = 20,
    seed: Annotated[int, typer.Option(help="Of the choice among open slots.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="section.key=value of the recipe.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(help="Per million tokens in and out, e.g. 0.15,0.60.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only tell what it would cost.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.", min=0.1)] = 60.0,
) -> None:
    """Add facts that a language model proposes; each keeps the model and prompt it came from."""
    from app.cli.data import chosen_recipe
    from circuits.corpus.build import source_graph
    from circuits.corpus.proposals.augmented import Plan, augment_from_file, read_with

    asked, prices = read_with(with_), _prices(price)
    if out.suffix != ".jsonl":
        raise HopscopeError(f"--out {out} must end in .jsonl, as it holds JSON lines.")
    recipe = chosen_recipe(source, None, list(settings or ()), None)
    plan = Plan.make(
        source_graph(recipe.source), recipe.augmentation, facts=facts, batch=batch, seed=seed
    )
    if isinstance(asked, Path):
        _tell(augment_from_file(plan, asked, out), out)
        return
    from circuits.corpus.proposals.answers import Answers
    from circuits.corpus.proposals.augmented import augment_with, estimate
    from circuits.corpus.proposals.server import served

    answers = Answers(out.with_suffix(".answers.jsonl"))
    cost = estimate(plan, asked.model, answers)
    kept = f", {cost.answered:,} of them answered before" if cost.answered else ""
    money = f", at most ${cost.price(*prices):.2f}" if prices else ""
    say(
        f"{cost.slots:,} facts in {cost.prompts:,} prompt{'s' * (cost.prompts != 1)}{kept}: about "
        f"{cost.tokens_in:,} tokens in, at most {cost.most_tokens_out:,} out{money}",
        err=True,
    )
    if dry_run:
        return
    answer = served(asked, timeout)

    def told(done: int) -> None:
        if sys.stderr.isatty():
            say(f"{done:,} of {cost.prompts:,} prompts", err=True)

    _tell(augment_with(plan, asked.model, answer, answers, out, told), out)


def _prices(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise HopscopeError(
            f"--price {text!r} is not understood; give dollars per million tokens in and out, e.g. "
            "0.15,0.60."
        ) from None
    return low, high


def _tell(outcome: Outcome, out: Path) -> None:
    checked = outcome.agreeing + outcome.disagreeing
    say(f"accepted: {outcome.accepted:,} of the facts, written with the graph to {out}")
    if checked:
        say(f"the source states {checked:,} of these slots and agrees with {outcome.agreeing:,}")
    for reason, n in outcome.rejected.items():
        say(f"rejected: {n:,} ({reason})")
    say(f"next: hopscope data {out}")
