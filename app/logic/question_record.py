"""The record of the question page, from which both the instrument and the figures are made.

Numbers are kept as measured. The browser gets them rounded to thousandths, with shortened names;
files get both in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from analyses.figures.specs.charts import HeatMap, Lines, Panels, Series, Spec
from analyses.figures.words import BROWN, GREEN, GREY, LILAC, OLIVE, ORANGE, PINK, SLATE, VIOLET
from analyses.usable import CANNOT_REACH, usable_states
from app.instrument import question_fields as fields
from app.instrument.fields import Payload
from app.instrument.packing import pack
from app.instrument.payload import dump
from app.instrument.question_fields import Donor, Question, Written
from app.logic.asked import Asked
from app.logic.question_book import QuestionBook
from app.logic.question_trace import QuestionTrace, Watched, role_order
from app.logic.sentences import columns_of, sentence_of
from circuits.corpus.queries import Queries

SPARE = (SLATE, VIOLET, GREY, OLIVE, LILAC)
"""Colours of answers that mean nothing special."""


@dataclass(frozen=True)
class QuestionRecord:
    """A question of a run, its donor, and every checkpoint's results on them."""

    run: str
    book: QuestionBook
    asked: Asked
    donor: Asked | None
    swapped: int | None
    """The answer that the donor's bridge (or first value) should lead to."""
    trace: QuestionTrace

    def payload(self, timeline: Payload) -> bytes:
        """JSON for the instrument, beside what every page's timeline needs."""
        trace, shown = self.trace, self.book.shown
        question: Question = {
            "names": {str(token): self.book.name(token) for token in sorted(self._tokens())},
            "columns": list(self._columns),
            "order": self._order,
            "kinds": {str(token): kind for token, kind in self._kinds().items()},
            "answer": self.asked.answer,
            "top": {"token": trace.top.token.tolist(), "share": pack(trace.top.share)},
            "curves": [
                {"token": token, "share": pack(share), "colour": f"run_{self._colours[token]}"}
                for token, share in trace.curves
            ],
            "lens": {
                "token": shown(trace.lens.token[..., 0]).tolist(),
                "share": pack(trace.lens.share),
            },
            "second": shown(trace.lens.token[..., 1]).tolist(),
            "attention": pack(trace.attention),
            "attends": [self._columns[role] for role in self._order],
            "watched": [self._watched(watched) for watched in trace.watched],
        }
        if trace.swap is not None:
            question["swap"] = {
                "token": shown(trace.swap.token).tolist(), "share": pack(trace.swap.share)
            }  # fmt: skip
            if trace.swap_target is not None:
                question["swap"]["target"] = pack(trace.swap_target)
        if self.donor is not None:
            question["donor"] = self._lender(self.donor)
        if trace.written is not None:
            question["written"] = [self._written(text) for text in trace.written]
            question["sentence"] = sentence_of(self._prompt)
        usable = self._usable().tolist()
        return dump({**timeline, "question": question, "usable": usable})

    def _lender(self, donor: Asked) -> Donor:
        book, said = self.book, self.trace.second_fact
        needed = book.needed_fact(self.asked, donor)
        return {
            "what": book.lent,
            "value": donor.values[0],
            "swapped": self.swapped,
            "begins": None if self.swapped is None else self._beginning(self.swapped),
            "needed": None if needed is None else " · ".join(map(book.name, needed)),
            "fact": None if said is None else book.shown(said).tolist(),
        }

    def _written(self, text: str) -> Written:
        answer, tokens = self.asked.answer, self.book.text_tokens
        right = () if answer is None or tokens is None else tokens.spellings(answer)
        exact = any(
            text == name or (text.endswith("…") and text.startswith(name)) for name in right
        )
        return {"text": text, "exact": exact}

    def _beginning(self, name: int) -> int:
        """The shown id of the token with which a name begins."""
        return int(self.book.shown(np.array(self.book.first_token(name))))

    def _kinds(self) -> dict[int, str]:
        """What names, and the tokens with which they begin, are here: the kind has a colour."""
        values = dict.fromkeys(self.asked.values)
        found: dict[int | None, str] = {self.asked.tokens[-1]: "relation_2"}
        found |= {value: "value_2" if i else "bridge" for i, value in enumerate(values)}
        found |= {self.swapped: "swap", self.asked.answer: "answer"}
        known = {name: kind for name, kind in found.items() if name is not None}
        return known | {self._beginning(name): kind for name, kind in known.items()}

    @cached_property
    def _prompt(self) -> Queries:
        return self.book.prompts(self.asked.tokens)

    @cached_property
    def _order(self) -> list[int]:
        """The positions in the order in which they are read."""
        return role_order(self._prompt)

    @property
    def _in_text(self) -> bool:
        return self.book.text_tokens is not None

    def _usable(self) -> Bool[np.ndarray, "layer pos"]:
        """Whether the answer can depend on each state."""
        layers, positions = self.trace.lens.token.shape[1:3]
        return usable_states(layers - 1, positions)

    def _watched(self, watched: Watched) -> fields.Watched:
        what, where = self.book.watched[watched.number]
        column = self._columns[watched.position]
        return {
            "token": watched.token,
            "begins": self._beginning(watched.token),
            "position": watched.position,
            "what": what,
            "where": f"“{column}”" if self._in_text else where,
            "rank": watched.rank.tolist(),
        }

    def _tokens(self) -> set[int]:
        """Every name and token that is shown."""
        known = (*self.asked.values, self.asked.answer, self.swapped)
        lent = (*self.donor.tokens, *self.donor.values) if self.donor else ()
        named = {*known, *self.asked.tokens, *lent} - {None}
        names = self.trace.answers | {token for token in named if token is not None}
        begun = {self._beginning(name) for name in (*self.asked.values, *known) if name is not None}
        tokens = np.array(sorted(self.trace.tokens), int)
        return names | begun | set(self.book.shown(tokens).tolist())

    def figures(self, step: int) -> list[Spec]:
        """Answers over training, and lens, swaps and attention at a step."""
        found: list[Spec] = [self._answers(step)]
        for i, watched in enumerate(self.trace.watched):
            what, _ = self.book.watched[watched.number]
            one = len(self.trace.watched) == 1
            found.append(
                self._states(
                    "question_bridge" if one else f"question_value_{i + 1}",
                    f"Probability of {what}, {self._meant(watched.token)}",
                    watched.share,
                    step,
                )
            )
        if self.trace.swap_target is not None and self.swapped is not None:
            title = f"Probability of {self._meant(self.swapped)} with a state swapped in"
            donor = f"; donor: {self._donor}"
            found.append(self._states("question_swap", title, self.trace.swap_target, step, donor))
        found.append(self._attention(step))
        return found

    @property
    def _donor(self) -> str | None:
        return None if self.donor is None else self.book.text(self.donor.tokens)

    def _about(self, step: int) -> dict[str, Any]:
        """Subtitle and provenance of every figure."""
        question = self.book.text(self.asked.tokens)
        where = {"run": self.run, "question": question, "donor": self._donor, "step": step}
        return {"subtitle": f"{question}, step {step:,}", "provenance": where}

    @cached_property
    def _columns(self) -> tuple[str, ...]:
        """What stands at each position."""
        if self._in_text:
            return columns_of(self._prompt)
        return tuple(self.book.name(token) for token in self.asked.tokens)

    def _meant(self, name: int) -> str:
        """A name, and that only its first token is meant if it has more."""
        begun, whole = self.book.begun(name), self.book.name(name)
        return whole if begun == whole else f"the first token of {whole}, “{begun}”"

    @cached_property
    def _colours(self) -> dict[int, int]:
        """The colour of each answer by what it is here, the same on screen and on paper."""
        first, *others = self.asked.values
        meaning = {others[0] if others else None: PINK, first: ORANGE, self.swapped: BROWN}
        meaning[self.asked.answer] = GREEN
        drawn = [token for token, _ in self.trace.curves]
        found = {token: meaning[token] for token in drawn if token in meaning}
        spare = [colour for colour in SPARE if colour not in found.values()]
        rest = (token for token in drawn if token not in found)
        return found | {token: spare[i % len(spare)] for i, token in enumerate(rest)}

    def _answers(self, step: int) -> Lines:
        series = tuple(
            Series(
                label=self.book.name(token) + (" (right)" if token == self.asked.answer else ""),
                x=np.array(self.trace.steps, float),
                y=share.astype(float),
                colour=self._colours[token],
            )
            for token, share in self.trace.curves
        )
        return Lines(
            name="question_answers",
            title=f"Probability of each {'whole ' if self._in_text else ''}answer over training",
            series=series,
            y_label="probability",
            y_limits=(0.0, 1.0),
            cursor=float(step),
            **self._about(step),
        )

    def _states(
        self,
        name: str,
        title: str,
        share: Float[np.ndarray, "step layer pos"],
        step: int,
        more: str = "",
    ) -> HeatMap:
        values = share[self.trace.steps.index(step)].astype(float)
        about = self._about(step)
        return HeatMap(
            name=name,
            title=title,
            values=values[:, self._order],
            rows=tuple(str(layer) for layer in range(len(values))),
            columns=tuple(self._columns[role] for role in self._order),
            row_label="blocks before the state",
            column_label="position",
            value_label="probability",
            hatched=~self._usable()[:, self._order],
            hatched_label=CANNOT_REACH,
            subtitle=f"{about['subtitle']}{more}; hatched: {CANNOT_REACH}",
            provenance=about["provenance"],
        )

    def _attention(self, step: int) -> Panels:
        patterns = self.trace.attention[self.trace.steps.index(step)].astype(float)
        names = tuple(self._columns[role] for role in self._order)
        seen = np.tril(np.ones(patterns.shape[-2:], bool))
        panels = tuple(
            HeatMap(
                name=f"layer_{layer}_head_{head}",
                title=f"layer {layer}, head {head}",
                values=np.where(seen, pattern, np.nan)[::-1],
                rows=names[::-1],
                columns=names,
                row_label="attends",
                column_label="attended to",
                value_label="attention",
                **self._about(step),
            )
            for layer, heads in enumerate(patterns)
            for head, pattern in enumerate(heads)
        )
        return Panels(
            name="question_attention",
            title="Attention",
            panels=panels,
            columns=min(4, patterns.shape[1]),
            **self._about(step),
        )
