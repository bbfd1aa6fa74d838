"""Optimizers that a recipe chooses: PyTorch's AdamW and Muon behind one small interface.

A parameter's name says what it is: W_... is a matrix, everything else (biases, norm scales) is not.
Embeddings and the unembedding are matrices too, but AdamW updates them, as Muon's authors do
(Jordan et al. 2024; Liu et al., arXiv 2502.16982).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch
from einops import rearrange
from torch import Tensor

from circuits.errors import HopscopeError
from circuits.recipes.schema import TrainingSection
from train.fused_adamw import FusedAdamW
from train.gradients import GrokfastEMA, project_orthogonally

_O = TypeVar("_O", bound=torch.optim.Optimizer)

_GUARDED = ("add_param_group", "state_dict", "load_state_dict")

_EMBEDDINGS = ("W_E", "W_pos", "W_U")


def is_matrix(name: str) -> bool:
    """Whether a parameter is a weight matrix; b_Q [n_heads, d_head] has two axes but is not one."""
    return name.rpartition(".")[2].startswith("W_")


def is_hidden_matrix(name: str) -> bool:
    """Whether Muon updates it: a matrix between two hidden states."""
    return is_matrix(name) and name.rpartition(".")[2] not in _EMBEDDINGS


@dataclass(frozen=True)
class MatrixView:
    """A parameter [n_heads, ...] as the single matrix that it stands for.

    Muon orthogonalizes matrices. W_Q of all heads together is one map from d_model to
    n_heads x d_head, and W_O is one map back.
    """

    parameter: Tensor
    matrix: torch.nn.Parameter
    """A copy, [rows, columns], that Muon updates."""
    flatten: Callable[[Tensor], Tensor]
    restore: Callable[[Tensor], Tensor]

    @classmethod
    def of(cls, name: str, parameter: Tensor) -> MatrixView:
        """The view of a parameter with two or three axes."""
        if parameter.ndim == 2:
            same = _same
            return cls(parameter, torch.nn.Parameter(parameter.detach().clone()), same, same)
        heads = parameter.shape[0]
        if name.endswith("W_O"):
            flat, back = "h d m -> (h d) m", "(h d) m -> h d m"
        else:
            flat, back = "h m d -> m (h d)", "m (h d) -> h m d"
        flatten = _Rearrange(flat, {})
        matrix = torch.nn.Parameter(flatten(parameter.detach()).clone())
        return cls(parameter, matrix, flatten, _Rearrange(back, {"h": heads}))


@dataclass(frozen=True)
class _Rearrange:
    pattern: str
    sizes: dict[str, int]

    def __call__(self, x: Tensor) -> Tensor:
        return rearrange(x, self.pattern, **self.sizes)


def _same(x: Tensor) -> Tensor:
    return x


class Optimizer:
    """Gradient filters, then one or two PyTorch optimizers; the state is a dict of tensors."""

    def __init__(
        self,
        named_parameters: Iterable[tuple[str, torch.nn.Parameter]],
        training: TrainingSection,
        *,
        capturable: bool = False,
    ) -> None:
        """Build the filters and optimizers that the recipe asks for.

        Args:
            named_parameters: Parameters of the model.
            training: The [training] section of the recipe.
            capturable: Keep the learning rate and step counts on the device, for CUDA graphs.
        """
        named = dict(named_parameters)
        self.parameters = list(named.values())
        self._views: list[MatrixView] = []
        self._optimizers: list[torch.optim.Optimizer] = []
        if training.optimizer == "muon":
            hidden = {n: p for n, p in named.items() if is_hidden_matrix(n)}
            named = {n: p for n, p in named.items() if n not in hidden}
            self._add_muon(hidden, training)
        adamw = _adamw(named, training, capturable)
        self._optimizers.append(adamw)
        self._adamw = FusedAdamW(adamw)
        self._capturable = capturable
        self._grokfast = (
            GrokfastEMA(training.grokfast_alpha, training.grokfast_lambda)
            if training.grokfast
            else None
        )
        self._orthogonal = training.orthogonal_gradient

    def _add_muon(self, hidden: Mapping[str, Tensor], training: TrainingSection) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise HopscopeError(
                f'training.optimizer = "muon" needs PyTorch 2.9 or newer, but this is '
                f"{torch.__version__}; update it or choose adamw."
            )
        self._views = [MatrixView.of(name, parameter) for name, parameter in hidden.items()]
        # match_rms_adamw: one learning rate and decay fit both optimizers (2502.16982, section 2.2)
        self._optimizers.append(
            eager(torch.optim.Muon)(
                [view.matrix for view in self._views],
                lr=training.lr,
                weight_decay=training.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            )
        )

    def zero_grad(self) -> None:
        """Drop the gradients, so that the next backward pass writes them instead of adding."""
        for parameter in self.parameters:
            parameter.grad = None

    def set_learning_rate(self, lr: float) -> None:
        """Set the learning rate of the coming steps."""
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(lr)
                else:
                    group["lr"] = lr

    def step(self) -> None:
        """Filter the gradients and update the weights."""
        if self._orthogonal:
            project_orthogonally(self.parameters)
        if self._grokfast is not None:
            self._grokfast(self.parameters)
        for view in self._views:
            assert view.parameter.grad is not None
            view.matrix.grad = view.flatten(view.parameter.grad)
        for optimizer in self._optimizers[:-1]:
            optimizer.step()
        self._adamw.step()
        with torch.no_grad():
            for view in self._views:
                view.parameter.copy_(view.restore(view.matrix))

    def state(self) -> dict[str, Tensor]:
        """Moments, averages and step counts, as tensors named by optimizer and parameter."""
        state = {
            f"{number}.{index}.{key}": value
            for number, optimizer in enumerate(self._optimizers)
            for index, values in optimizer.state_dict()["state"].items()
            for key, value in values.items()
        }
        averages = self._grokfast.averages if self._grokfast is not None else []
        return state | {f"grokfast.{i}": average for i, average in enumerate(averages)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned; the weights must have been restored before."""
        with torch.no_grad():
            for view in self._views:
                view.matrix.copy_(view.flatten(view.parameter))
        for number, optimizer in enumerate(self._optimizers):
            whole = optimizer.state_dict()
            table: dict[int, dict[str, Tensor]] = {}
            for name, value in state.items():
                owner, index, *key = name.split(".")
                if owner == str(number):
                    table.setdefault(int(index), {})[key[0]] = value
            optimizer.load_state_dict({"state": table, "param_groups": whole["param_groups"]})
        self._adamw.forget()
        if self._grokfast is not None:
            count = sum(name.startswith("grokfast.") for name in state)
            self._grokfast.averages = [
                state[f"grokfast.{i}"].to(self.parameters[i].device) for i in range(count)
            ]


def _adamw(
    named: Mapping[str, Tensor], training: TrainingSection, capturable: bool
) -> torch.optim.Optimizer:
    decays = [p for n, p in named.items() if training.decay == "all" or is_matrix(n)]
    rest = [p for n, p in named.items() if training.decay == "matrices" and not is_matrix(n)]
    groups = [{"params": decays, "weight_decay": training.weight_decay}]
    if rest:
        groups.append({"params": rest, "weight_decay": 0.0})
    device = next(iter(named.values())).device
    lr = torch.tensor(training.lr, device=device) if capturable else training.lr
    kind = eager(torch.optim.AdamW)
    return kind(groups, lr=lr, betas=training.betas, fused=True, capturable=capturable)


@cache
def eager(kind: type[_O]) -> type[_O]:
    """The optimizer class as PyTorch has it, minus the guards against its compiler.

    Each of its methods is wrapped in `torch._dynamo.disable` or a graph break, so that a compiled
    training step leaves them alone, and importing torch._dynamo takes 2 s of CPU, as long as
    importing torch. No step here compiles its optimizer (`train.step` compiles the objective
    alone), so the wrappers only cost. What is left is the same functions, hence the same bits. The
    step takes no gradients.

    >>> weight = torch.nn.Parameter(torch.ones(1))
    >>> weight.grad = torch.ones(1)
    >>> eager(torch.optim.SGD)([weight], lr=0.25).step()
    >>> weight.item()
    0.75
    """
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in _GUARDED}
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), {**methods, "step": step})
