"""A question put to every checkpoint of a run."""

from __future__ import annotations

from collections.abc import Callable

from app.logic.question_book import QuestionBook
from app.logic.question_record import QuestionRecord
from app.logic.question_trace import Asking, trace_question
from circuits.model.protocol import Model
from circuits.runs.run import Run


def ask_every_checkpoint(
    run: Run,
    name: str,
    book: QuestionBook,
    tokens: tuple[int, ...],
    donor: tuple[int, ...] | None,
    progress: Callable[[float], None],
) -> QuestionRecord:
    """How the run answers a question at every step, also with a donor's states swapped in.

    Args:
        run: The run, with all its checkpoints.
        name: What the record calls it.
        book: The run's questions.
        tokens: The question, as token ids.
        donor: The question whose states are written into it, of equal length; None: no swaps.
        progress: Called with the finished share.
    """
    asked = book.asked(tokens)
    lent = None if donor is None else book.asked(donor)
    swapped = None if lent is None else book.swapped_answer(asked, lent)
    model = run.model()

    def model_at(step: int) -> Model:
        if run.bridged:
            return run.model(step)
        run.load_weights(model, step)
        return model

    fact = None if lent is None else book.needed_fact(asked, lent)
    asking = Asking(
        asked,
        book.prompts(tokens) if donor is None else book.prompts(tokens, donor),
        swapped,
        None if fact is None else book.fact_prompt(*fact),
        book.text_tokens,
    )
    trace = trace_question(model_at, run.steps, asking, progress)
    return QuestionRecord(name, book, asked, lent, swapped, trace)
