"""Dense layers and initial weights that the reference taggers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn


def dense(widths: Sequence[int], init: Callable[[Tensor], Tensor]) -> nn.Sequential:
    """Dense layers of the given widths, each but the last followed by ReLU."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [linear(n_in, n_out, init), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


def linear(n_in: int, n_out: int, init: Callable[[Tensor], Tensor], bias: bool = True) -> nn.Linear:
    """A dense layer; its bias starts at zero."""
    layer = nn.Linear(n_in, n_out, bias=bias)
    init(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def he(weight: Tensor) -> Tensor:
    """Uniform in +-sqrt(6 / fan_in)."""
    return nn.init.kaiming_uniform_(weight, nonlinearity="relu")


def glorot(weight: Tensor) -> Tensor:
    """Uniform in +-sqrt(6 / (fan_in + fan_out))."""
    return nn.init.xavier_uniform_(weight)
