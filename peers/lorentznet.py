"""LorentzNet, arXiv:2201.08187, in PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BEAMS = ((2.0**0.5, 0.0, 0.0, 1.0), (2.0**0.5, 0.0, 0.0, -1.0))
"""The two beam particles in front of every jet, (E, px, py, pz), of mass 1."""

METRIC = (1.0, -1.0, -1.0, -1.0)


def compress(v: Tensor) -> Tensor:
    """sign(v) ln(1 + |v|)."""
    return v.sign() * v.abs().log1p()


def minkowski(a: Tensor, b: Tensor) -> Tensor:
    """Products of four-vectors, [.., 4] each -> [.., 1]."""
    return (a * b * a.new_tensor(METRIC)).sum(-1, keepdim=True)


class Block(nn.Module):
    """A Lorentz group equivariant block on the edges of complete graphs."""

    def __init__(self, channels: int, step: float, moves: bool) -> None:
        super().__init__()
        self.step = step
        self.first = nn.Linear(2 * channels + 2, channels, bias=False)
        self.norm = nn.BatchNorm1d(channels)
        self.second = nn.Linear(channels, channels)
        self.gate = nn.Linear(channels, 1)
        self.node_first = nn.Linear(2 * channels + 2, channels)
        self.node_norm = nn.BatchNorm1d(channels)
        self.node_second = nn.Linear(channels, channels)
        self.move_first = self.move_second = None
        if moves:
            self.move_first = nn.Linear(channels, channels)
            self.move_second = nn.Linear(channels, 1, bias=False)
            nn.init.xavier_uniform_(self.move_second.weight, gain=0.001)

    def forward(
        self, h: Tensor, x: Tensor, scalars: Tensor, ends: tuple[Tensor, Tensor], degree: Tensor, split: bool
    ) -> tuple[Tensor, Tensor]:
        """h [N, C], x [N, 4], scalars [N, 2], ends [E] each, degree [N, 1] -> new h and x."""
        i, j = ends
        x_i, x_j = x.index_select(0, i), x.index_select(0, j)
        apart = x_i - x_j
        invariants = compress(torch.cat([minkowski(apart, apart), minkowski(x_i, x_j)], 1))
        if split:
            # The first layer acts on nodes and on two scalars an edge.
            c = h.shape[1]
            near, far, rest = self.first.weight.split([c, c, 2], 1)
            y = F.linear(h, near).index_select(0, i) + F.linear(h, far).index_select(0, j) + F.linear(invariants, rest)
        else:
            y = self.first(torch.cat([h.index_select(0, i), h.index_select(0, j), invariants], 1))
        message = F.relu(self.second(F.relu(self.norm(y))))
        message = message * torch.sigmoid(self.gate(message))
        if self.move_first is not None:
            push = apart * self.move_second(F.relu(self.move_first(message)))
            push = x.new_zeros(x.shape).index_add(0, i, push.clamp(-100.0, 100.0))
            x = x + self.step * push / degree
        total = h.new_zeros(h.shape).index_add(0, i, message)
        node = torch.cat([h, total, scalars], 1)
        return h + self.node_second(F.relu(self.node_norm(self.node_first(node)))), x


class LorentzNet(nn.Module):
    """The published tagger; rows of padding are dropped before anything else.

    The public code keeps padded nodes, which enter the normalization of nodes and the length that the mean divides by.
    `split` computes the first layer of an edge from both of its nodes, which the public code does not.
    """

    def __init__(
        self, channels: int = 72, blocks: int = 6, step: float = 5e-3, dropout: float = 0.2, split: bool = False
    ) -> None:
        super().__init__()
        self.split = split
        self.embed = nn.Linear(2, channels)
        self.blocks = nn.ModuleList(Block(channels, step, l + 1 < blocks) for l in range(blocks))
        self.hidden = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(channels, 2)

    def forward(self, vectors: Tensor) -> Tensor:
        """[B, P, 4], (E, px, py, pz) in GeV -> [B, 2]."""
        batch = len(vectors)
        beams = vectors.new_tensor(BEAMS).expand(batch, 2, 4)
        nodes = torch.cat([beams, vectors], 1)
        mask = (nodes != 0.0).any(-1)
        x = nodes[mask]
        with torch.no_grad():
            width = int(mask.sum(1).max())
            near = mask[:, :width]
            edges = near.unsqueeze(2) & near.unsqueeze(1)
            edges &= ~torch.eye(width, dtype=torch.bool, device=x.device)
            number = mask.flatten().cumsum(0).view(mask.shape) - 1
            jet, i, j = edges.nonzero(as_tuple=True)
            ends = number[jet, i], number[jet, j]
            owner = mask.nonzero()[:, 0]
            count = mask.sum(1)
            degree = (count - 1).index_select(0, owner).unsqueeze(1).to(x.dtype)
            mass = compress(minkowski(x, x).abs().sqrt())
            beam = torch.zeros_like(mask)
            beam[:, :2] = True
            beam = beam[mask].unsqueeze(1)
            scalars = torch.cat([mass * beam, mass * ~beam], 1)
        h = self.embed(scalars)
        for block in self.blocks:
            h, x = block(h, x, scalars, ends, degree, self.split)
        mean = h.new_zeros(batch, h.shape[1]).index_add(0, owner, h) / count.unsqueeze(1)
        return self.out(self.dropout(F.relu(self.hidden(mean))))
