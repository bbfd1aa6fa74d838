"""The course of a run: steps, evaluations, checkpoints, resume states, and how it ends."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Generator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import torch

from circuits.corpus.corpus import Corpus
from circuits.errors import CannotWrite, HopscopeError
from circuits.model.config import ModelConfig
from circuits.model.hook_free import Precision
from circuits.model.plain import PlainTransformer
from circuits.recipes.schema import Recipe
from circuits.runs.checkpoints import checkpoint_bytes
from circuits.runs.grok import ID_SPLIT, grok_summary_of_rows
from circuits.runs.run import RESUME
from circuits.runs.writer import RunWriter
from circuits.text.corpus import TextCorpus
from train.distributed import Group, tells_of_a_lost_process
from train.evaluation import Evaluator, gradient_weight_cosine, weight_norms
from train.initial import load_initial
from train.interrupts import StopRequest, stop_requests
from train.memory import fitting_model, is_out_of_memory, largest_fitting, out_of_memory
from train.progress import TrainingProgress
from train.schedule import CheckpointPlan
from train.state import ResumeState, how_to_go_on, keep_newest, save_state
from train.text_evaluation import TextEvaluator
from train.trackers import Report, trackers
from train.trainer import CHECK_EVERY, NonFiniteLoss, Trainer

AGREE_EVERY = 10
"""Steps between the moments at which several processes ask each other whether to stop."""


def model_config(recipe: Recipe, corpus: Corpus, text: TextCorpus | None) -> ModelConfig:
    """The model of a recipe, for the tokens that its data have."""
    d_vocab, n_ctx = len(corpus.vocab), corpus.n_ctx
    if text is not None:
        d_vocab, n_ctx = len(text.tokenizer), text.n_ctx
    return ModelConfig.from_recipe(recipe.model, d_vocab, n_ctx, recipe.seed)


class Session:
    """One process's part in training one run."""

    def __init__(
        self,
        recipe: Recipe,
        corpus: Corpus,
        path: Path,
        group: Group,
        precision: Precision | None = None,
        text: TextCorpus | None = None,
    ) -> None:
        """Set up model, optimizer and checkpoint plan; nothing is written before `run`.

        Args:
            recipe: The run's recipe.
            corpus: What is trained and tested.
            path: The run folder.
            group: This process and those that train with it.
            precision: What to compute in; None: what the recipe says for the device.
            text: The same as sentences, where the recipe has a section [text].

        Raises:
            HopscopeError: if the model does not fit into memory, or a setting not to the others.
        """
        self.recipe, self.path = recipe, path
        self.writer: RunWriter | None = None
        config = model_config(recipe, corpus, text)
        with fitting_model(config.n_matrix_weights):
            model = PlainTransformer(config)
            if recipe.training.init_from is not None:
                load_initial(model, corpus.vocab, recipe.training.init_from)
            trainer = Trainer(recipe, corpus, model, precision, group, text)
            self.evaluator: Evaluator | TextEvaluator = (
                Evaluator(recipe, corpus, config, group.device)
                if text is None
                else TextEvaluator(recipe, text, config, group.device)
            )
        self.trainer = trainer
        torch.manual_seed(recipe.seed + group.rank)  # of dropout, unless a state is loaded
        size = checkpoint_bytes(trainer.model.state_dict(), recipe.checkpoints.dtype)
        self.plan = CheckpointPlan(recipe.checkpoints, recipe.training.steps, size)
        self._progress: TrainingProgress | None = None
        self._report: Report | None = None
        self._state_step = -1
        self._state_time = -math.inf
        self._spent = 0.0
        self._clock = time.perf_counter()
        self._since = (self._clock, 0)
        self._noted: str | None = None
        self._reached_goal = False

    def load_state(self, state: ResumeState) -> None:
        """Go back to a resume state."""
        self.trainer.load_state(state.tensors, state.numbers)
        self.plan.load_state(state.numbers["plan"])
        self._spent = state.numbers["seconds"]
        self._state_step = state.step
        self._since = (time.perf_counter(), state.step)

    def _say(self, *sentences: str) -> None:
        """Tell the user and keep it in the manifest."""
        for sentence in sentences:
            if self.writer is not None:
                self.writer.add_note(sentence)
            if self._progress is not None:
                self._progress.say(sentence)

    def run(self, writer: RunWriter | None, *notes: str, show: bool) -> None:
        """Train to the end, or until somebody asks to stop.

        Args:
            writer: Writes the run; None in all but the first of several processes.
            notes: Sentences to tell and to keep before the first step.
            show: Show progress.
        """
        with (
            stop_requests() as request,
            closing(self.course(writer, request, *notes, show=show)) as course,
        ):
            try:
                for _ in course:
                    self._advance()
            except RuntimeError as error:
                request.ends_anyway = tells_of_a_lost_process(error)
                raise

    def course(
        self, writer: RunWriter | None, request: StopRequest, *notes: str, show: bool
    ) -> Generator[None, None, None]:
        """The run without its optimizer steps: yields whenever the next one is to be done.

        So several runs can go on together, each step done for all of them at once.

        Args:
            writer: As in `run`.
            request: Ends the run after the current step, with its state saved.
            notes: As in `run`.
            show: As in `run`.
        """
        self.writer = writer
        with ExitStack() as stack:
            shown = show and writer is not None
            bar = TrainingProgress(self.recipe.training.steps, self.trainer.step, shown)
            self._progress = stack.enter_context(bar)
            if writer is not None:
                self._report = stack.enter_context(trackers(self.recipe, writer))
            self._say(*notes)
            try:
                stopped = yield from self._steps(request, bar)
                self._end(stopped)
            except NonFiniteLoss as error:
                raise HopscopeError(f"{error} {self._last_good()}") from error
            except OSError as error:  # e.g. of a tracker that writes into the folder as well
                failed = CannotWrite(Path(error.filename or self.path), error)
                raise HopscopeError(f"{failed} {how_to_go_on(self.path)}") from error
            except CannotWrite as error:
                raise HopscopeError(f"{error} {how_to_go_on(self.path)}") from error

    def _steps(self, request: StopRequest, bar: TrainingProgress) -> Generator[None, None, bool]:
        """Go along all steps; True if it was asked to stop before.

        A new run begins with the untrained model, evaluated and kept.
        """
        trainer, every = self.trainer, self.recipe.evaluation.every
        if self._state_step < 0:
            self._record()
            if self.writer is not None:
                self.writer.drain()  # from here on there is a state to go on from
        while not self._over():
            if self._asked_to_stop(request):
                return True
            yield
            step = trainer.step
            bar.advance(step)
            if step % every == 0 or self.plan.due(step):
                self._record()
            elif step % CHECK_EVERY == 0:
                trainer.check_finite()
        return False

    def _over(self) -> bool:
        return self._reached_goal or self.trainer.step >= self.recipe.training.steps

    def _asked_to_stop(self, request: StopRequest) -> bool:
        group = self.trainer.group
        if group.world == 1:
            return request.received
        return self.trainer.step % AGREE_EVERY == 0 and group.any(request.received)

    def _advance(self) -> None:
        try:
            self.trainer.advance()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # they hold the tensors of the failed step
            size = self.recipe.training.batch_size
            raise out_of_memory(size, largest_fitting(self.trainer.attempt, size // 2)) from error

    def _record(self) -> None:
        """Evaluate, write, keep what is due."""
        row = self._measure()
        step = row["step"]
        accuracies = {k: v for k, v in row.items() if k.startswith("accuracy/")}
        goal = self.recipe.evaluation.stop_at_id_accuracy
        self._reached_goal = goal is not None and row.get(f"accuracy/{ID_SPLIT}", 0.0) >= goal
        keep = self.plan.keeps(step, accuracies, anyway=self._reached_goal)
        if self.plan.note is not None and self.plan.note != self._noted:
            self._noted = self.plan.note
            self._say(self.plan.note)
        if self.writer is not None:
            self.writer.append_metrics(row)
        if self._report is not None:
            self._report(row)
        if self._progress is not None:
            self._progress.evaluated(row)
        if self.writer is not None:
            self._write(self.writer, step, keep)
        self._since = (time.perf_counter(), step)

    def _measure(self) -> dict[str, Any]:
        trainer = self.trainer
        mean = trainer.take_mean_loss()  # waits for the device, so the time is taken after it
        elapsed, steps = time.perf_counter() - self._since[0], trainer.step - self._since[1]
        row: dict[str, Any] = {"step": trainer.step}
        if mean is not None:
            row["train_loss"] = mean
        found = self.evaluator(trainer.model, trainer.sample_loss)
        for name, value in found.items():
            if not math.isfinite(value):
                raise NonFiniteLoss(trainer.step, value, self.recipe.training)
            row[name] = value
        row |= weight_norms(dict(trainer.model.named_parameters()))
        cosine = gradient_weight_cosine(trainer.optimizer.parameters)
        if cosine is not None:
            row["gradient_weight_cosine"] = cosine
        if steps:
            row["steps_per_s"] = steps / elapsed
        return row | {"seconds": self._seconds()}

    def _write(self, writer: RunWriter, step: int, keep: bool) -> None:
        """The checkpoint if it is to be kept, and what resuming needs if it is time for it."""
        section = self.recipe.checkpoints
        if keep:
            weights = self.trainer.model.state_dict()
            writer.add_checkpoint(step, weights, section.dtype, **self._summary())
        if self._over():  # there will be nothing to resume
            return
        if time.perf_counter() - self._state_time >= section.resume_seconds:
            self._save_state(writer)

    def _save_state(self, writer: RunWriter) -> None:
        tensors, numbers = self.trainer.state()
        step, copies = (
            self.trainer.step,
            {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()},
        )
        numbers |= {"plan": self.plan.state(), "seconds": self._seconds()}

        numbers["rows"] = len(writer.rows)

        def write() -> None:
            writer.sync_metrics()
            known = {"checkpoints": writer.steps}
            save_state(self.path / RESUME, step, copies, numbers | known)

        writer.later(write)
        self._state_time, self._state_step = time.perf_counter(), step

    def _end(self, stopped: bool) -> None:
        if stopped:
            self.trainer.check_finite()
            self.trainer.share_losses()
        if self.writer is None:
            return
        if self._state_step != self.trainer.step:
            self._save_state(self.writer)
        if not stopped:
            self.writer.set_state("finished", **self._summary())
            keep_newest(self.path / RESUME)
            return
        self.writer.set_state("stopped", **self._summary())
        assert self._progress is not None
        self._progress.say(
            f"Stopped after step {self.trainer.step}; nothing is lost. "
            f"Continue with: hopscope train --resume {self.path}"
        )

    def _summary(self) -> dict[str, Any]:
        assert self.writer is not None
        grok = grok_summary_of_rows(self.writer.rows).to_json()
        return {"grok": grok, "seconds": self._seconds()}

    def _seconds(self) -> float:
        return self._spent + time.perf_counter() - self._clock

    def _last_good(self) -> str:
        if self.writer is None:
            return ""
        self.writer.drain()
        steps = self.writer.steps
        if not steps:
            return "No checkpoint had been kept yet."
        return f"The last good checkpoint, of step {steps[-1]}, is kept in {self.path}."
