"""LoLa and LBN in PyTorch: networks on four-momenta.

| tagger | paper            | parameters | initial weights                          | loss          |
|--------|------------------|-----------:|------------------------------------------|---------------|
| lola   | arXiv:1707.08966 |    127,052 | truncated normal 0.1, dense Glorot       | cross entropy |
| lbn    | arXiv:1812.09722 |    705,302 | normal 1 / particles, dense Glorot       | cross entropy |

Both read [B, P, 4] of (E, px, py, pz) in GeV whose padded rows are null vectors, cut or fill it to their number of
constituents, and let padding pass through all formulas, as the originals do. The landscape does not say how its 127k and
705k parameters divide; these sizes are Tagwerk's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from layers import dense, glorot, linear

MINKOWSKI = (1.0, -1.0, -1.0, -1.0)

EPSILON = 1e-5
"""The guard of the LBN."""


def leading(x: Tensor, count: int, unit: float) -> Tensor:
    """The leading `count` four-momenta in the unit, component by component: [B, 4, count]."""
    kept = x[:, :count].transpose(1, 2) / unit
    return F.pad(kept, (0, count - kept.shape[2]))


class Lola(nn.Module):
    """Sum, constituents and combinations of them; seven numbers of each; dense layers."""

    def __init__(
        self,
        constituents: int = 75,
        combinations: int = 24,
        hidden: Sequence[int] = (100, 50),
        learned_metric: bool = False,
        unit: float = 100.0,
    ) -> None:
        super().__init__()
        self.constituents, self.unit = constituents, unit
        vectors = 1 + constituents + combinations
        self.combine = nn.Linear(constituents, combinations, bias=False)
        self.energy = nn.Parameter(torch.empty(vectors, vectors))
        self.distance = nn.ParameterList(torch.empty(vectors, vectors) for _ in range(4))
        for weight in (self.combine.weight, self.energy, *self.distance):
            nn.init.trunc_normal_(weight, std=0.1, a=-0.2, b=0.2)
        self.metric = nn.Parameter(torch.tensor(MINKOWSKI), requires_grad=learned_metric)
        self.dense = dense([7 * vectors, *hidden, 2], glorot)

    def forward(self, x: Tensor) -> Tensor:
        """[B, P, 4] -> [B, 2]."""
        k = leading(x, self.constituents, self.unit)  # [B, 4, N]
        k = torch.cat([k.sum(2, keepdim=True), k, self.combine(k)], 2)  # [B, 4, M]
        mass = (self.metric.view(4, 1) * k.square()).sum(1)  # [B, M]
        pt = k[:, 1:3].square().sum(1).clamp(min=1e-12).sqrt()
        energy = k[:, 0] @ self.energy.T
        # d_jm, one component after the other: [B, 4, M, M] would be four times as large.
        distance = sum(g * (c.unsqueeze(2) - c.unsqueeze(1)).square() for g, c in zip(self.metric, k.unbind(1)))
        sums = [torch.einsum("bjm,jm->bj", distance, w) for w in self.distance[:2]]
        minima = [(distance * w).min(2).values for w in self.distance[2:]]
        return self.dense(torch.cat([mass, pt, energy, *sums, *minima], 1))


class Lbn(nn.Module):
    """Particles boosted into rest frames, both combinations of constituents; their features; dense layers."""

    def __init__(
        self, constituents: int = 60, particles: int = 50, hidden: Sequence[int] = (300,) * 4, unit: float = 1.0
    ) -> None:
        super().__init__()
        self.constituents, self.unit = constituents, unit
        self.particles = nn.Parameter(torch.empty(particles, constituents))
        self.frames = nn.Parameter(torch.empty(particles, constituents))
        for weight in (self.particles, self.frames):
            nn.init.normal_(weight, std=1.0 / particles)
        pairs = torch.triu_indices(particles, particles, 1)
        self.register_buffer("pairs", pairs, persistent=False)
        widths = [4 * particles + pairs.shape[1], *hidden, 2]
        layers = [[linear(n_in, n_out, glorot), nn.ELU(inplace=True)] for n_in, n_out in pairwise(widths)]
        self.dense = nn.Sequential(*[layer for pair in layers for layer in pair][:-1])

    def forward(self, x: Tensor) -> Tensor:
        """[B, P, 4] -> [B, 2]."""
        k = leading(x, self.constituents, self.unit)  # [B, 4, N]
        return self.dense(self.features(boost(k @ self.particles.abs().T, k @ self.frames.abs().T)))

    def features(self, boosted: Tensor) -> Tensor:
        """E, pT, eta, phi and the cosines of pairs, [B, 4, M] -> [B, 4 M + M (M - 1) / 2]."""
        e, px, py, pz = boosted.unbind(1)
        p2 = boosted[:, 1:].square().sum(1).clamp(min=EPSILON)
        p = p2.sqrt()
        pt = (p2 - pz.square()).clamp(min=EPSILON).sqrt()
        eta = (pz / p).clamp(EPSILON - 1.0, 1.0 - EPSILON).atanh()
        phi = torch.atan2(torch.where(py == 0.0, EPSILON, py), px)
        n = boosted[:, 1:] / p.unsqueeze(1)
        cos = (n.transpose(1, 2) @ n)[:, self.pairs[0], self.pairs[1]]
        return torch.cat([e, pt, eta, phi, cos], 1)


def boost(particles: Tensor, frames: Tensor) -> Tensor:
    """Particles [B, 4, M] in the rest frames of others, by the matrix Lambda of the paper."""
    q = frames[:, 1:].square().sum(1).clamp(min=1e-12).sqrt()
    e = torch.maximum(frames[:, 0], q + EPSILON)
    beta = q / e
    gamma = (1.0 - beta.square() + EPSILON).rsqrt().clamp(min=1.0)
    n = frames[:, 1:] / (e * (beta + EPSILON)).unsqueeze(1)  # [B, 3, M]
    space = n.unsqueeze(1) * n.unsqueeze(2) * (gamma - 1.0)[:, None, None] + torch.eye(3).to(n)[None, :, :, None]
    mixed = -(gamma * beta).unsqueeze(1) * n  # [B, 3, M]
    first = torch.cat([gamma.unsqueeze(1), mixed], 1).unsqueeze(1)  # [B, 1, 4, M]
    rest = torch.cat([mixed.unsqueeze(2), space], 2)  # [B, 3, 4, M]
    return (torch.cat([first, rest], 1) * particles.unsqueeze(1)).sum(2)
