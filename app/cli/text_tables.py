"""What `hopscope data` prints of a text recipe: sentences, and tokens per name."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.table import Table

from app.cli.terminal import terminal
from circuits.printable import printable
from circuits.text.corpus import TextCorpus

EXAMPLES = 3


def text_report(text: TextCorpus) -> dict[str, Any]:
    """Sentences of each kind, and how many tokens names and texts have."""
    vocab, names = text.corpus.vocab, text.wording.names
    lengths = names.lengths[: vocab.first_relation]
    texts = text.training_texts()
    splits = [*dict.fromkeys((*text.corpus.trained, "id_test"))]
    return {
        "d_vocab": len(text.tokenizer),
        "n_ctx": text.n_ctx,
        "texts": len(texts),
        "tokens_per_text": float(texts.lengths.mean()),
        "names_by_tokens": {
            str(n): int(count) for n, count in enumerate(np.bincount(lengths)) if count
        },
        "sentences": {split: _sentences(text, split) for split in splits},
        "warnings": text.warnings,
        "longest_name": vocab.entities[int(lengths.argmax())],
    }


def _sentences(text: TextCorpus, split: str) -> list[dict[str, Any]]:
    queries = text.queries(split)[:EXAMPLES]
    return [
        {
            "prompt": query.sentence,
            "answer": text.corpus.vocab.name(query.answer),
            "tokens": text.tokenizer.pieces(query.tokens),
            "answer_tokens": text.tokenizer.pieces(text.wording.answer(query.answer)),
        }
        for query in queries
    ]


def print_text(report: dict[str, Any]) -> None:
    """Print what `text_report` found."""
    console = terminal()
    table = Table("split", "prompt", "answer", "tokens", title="As text", title_justify="left")
    for split, rows in report["sentences"].items():
        for row in rows:
            pieces = "|".join((*row["tokens"], "", *row["answer_tokens"]))
            table.add_row(split, *map(printable, (row["prompt"], row["answer"], pieces)))
    console.print(table)
    shares = ", ".join(f"{n}: {count:,}" for n, count in report["names_by_tokens"].items())
    console.print(
        printable(
            f"- {report['d_vocab']:,} tokens in the vocabulary; {report['texts']:,} trained texts "
            f"of {report['tokens_per_text']:.1f} tokens on average, at most {report['n_ctx']:,}."
        )
    )
    console.print(
        printable(
            f"- Entities by tokens of their name: {shares}; the longest is "
            f"{report['longest_name']!r}."
        )
    )
    for warning in report["warnings"]:
        console.print(printable(f"- {warning}"))
