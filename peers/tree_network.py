"""TreeNiN in PyTorch: kT trees by FastJet, batched by levels without padding, as the public code is.

| tagger  | paper                                    | parameters | loss                 |
|---------|------------------------------------------|-----------:|----------------------|
| treenin | Macaluso, Cranmer 2019; arXiv:1702.00748 |     33,901 | binary cross entropy |

The nodes of a level, of all jets of a batch, are stacked: inner nodes first, then leaves, with the places of the children
of each inner node in the level below. `by_levels` makes this form; it is not part of a timed step. Initial weights: Glorot
uniform for what reads features and for the head, orthogonal for the others, all times sqrt(2); the last bias 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

import features

FEATURES = 7
"""|p|, eta, phi, E, E / E_jet, pT, theta of a node."""

NODES = 2 * 200 - 1
"""Most nodes of a tree: the data hold at most 200 constituents."""

INNER, LEAF, NOTHING = 1.0, 0.0, -1.0
"""Values of the last column of a view: what a node is, or that there is none."""


def kt_trees(jets: features.Jets) -> NDArray[np.float32]:
    """The kT tree (R = 0.8) of each jet, [B, NODES, 8]: features and INNER, LEAF or NOTHING.

    The nodes of a jet level by level, each level from left to right, the harder child left: the k-th inner node has the
    nodes 2k + 1 and 2k + 2 as children.
    """
    import fastjet

    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 0.8)
    trees = []
    for start, stop in zip(jets.offsets, jets.offsets[1:], strict=False):
        pt, eta, phi = jets.pt[start:stop], jets.eta[start:stop], jets.phi[start:stop]
        momenta = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)], 1)
        sequence = fastjet.ClusterSequence([fastjet.PseudoJet(*p) for p in momenta.tolist()], definition)
        nodes = [max(sequence.inclusive_jets(), key=lambda jet: jet.pt2())] if stop > start else []
        inner = []
        for node in nodes:
            first, second = fastjet.PseudoJet(), fastjet.PseudoJet()
            inner.append(node.has_parents(first, second))
            if inner[-1]:
                nodes += [second, first] if second.pt2() > first.pt2() else [first, second]
        p = np.array([[n.px(), n.py(), n.pz(), n.e()] for n in nodes]).reshape(-1, 4)
        trees.append(np.column_stack([_node_features(p), np.where(inner, INNER, LEAF)]))
    view = np.full((len(trees), NODES, FEATURES + 1), NOTHING, dtype=np.float32)
    for own, tree in zip(view, trees, strict=True):
        own[: len(tree)] = tree
    return view


def _node_features(p: NDArray[np.float64]) -> NDArray[np.float64]:
    px, py, pz, e = p.T
    pt = np.hypot(px, py)
    columns = [np.hypot(pt, pz), np.arcsinh(pz / pt), np.arctan2(py, px), e, e / e[:1], pt, np.arctan2(pt, pz)]
    return np.stack(columns, 1)


@dataclass
class Level:
    """All nodes of one level: features [n, 7], inner nodes first; children of these as places in the level below."""

    features: Tensor
    inner: int
    left: Tensor
    right: Tensor


@dataclass
class Forest:
    """The trees of a batch by levels, roots first, and the jet of each root. Jets without nodes have no root."""

    levels: list[Level]
    jets: Tensor
    batch: int


def by_levels(trees: Tensor) -> Forest:
    """Sorts a batch [B, NODES, 8] of `kt_trees`."""
    device, nodes, kind = trees.device, trees[..., :FEATURES], trees[..., FEATURES].tolist()
    # Level by level: (jet, node) of each node, as inner nodes and leaves.
    current = [(b, 0) for b, flags in enumerate(kind) if flags[0] != NOTHING]
    below = [iter(range(1, len(flags))) for flags in kind]
    chosen, children = [], []
    while current:
        inner = [n for n in current if kind[n[0]][n[1]] == INNER]
        leaves = [n for n in current if kind[n[0]][n[1]] == LEAF]
        chosen.append((inner + leaves, len(inner)))
        # Inner nodes in the order of their jets, from left to right: the order in which children come.
        pairs = [((b, next(below[b])), (b, next(below[b]))) for b, _ in inner]
        children.append(pairs)
        current = [child for pair in pairs for child in pair]
    levels = []
    for j, (own, inner) in enumerate(chosen):
        place = {node: i for i, node in enumerate(chosen[j + 1][0])} if j + 1 < len(chosen) else {}
        sides = [torch.tensor([place[pair[s]] for pair in children[j]], dtype=torch.long, device=device) for s in (0, 1)]
        rows = torch.tensor(own, device=device).reshape(-1, 2)
        levels.append(Level(nodes[rows[:, 0], rows[:, 1]], inner, *sides))
    roots = torch.tensor([b for b, _ in chosen[0][0]] if chosen else [], dtype=torch.long, device=device)
    return Forest(levels, roots, len(trees))


class TreeNin(nn.Module):
    """The recursive network with a network in network between its levels."""

    def __init__(self, hidden: int = 50) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(FEATURES))
        self.register_buffer("scale", torch.ones(FEATURES))
        self.inner = nn.Linear(FEATURES, hidden)
        self.leaf = nn.Linear(FEATURES, hidden)
        self.combine = nn.Linear(3 * hidden, hidden)
        self.nin = nn.ModuleDict(
            {
                kind: nn.ModuleList([nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)])
                for kind in ("inner", "leaf", "left", "right")
            }
        )
        self.head = nn.ModuleList([nn.Linear(hidden, n) for n in (hidden, hidden, 1)])
        gain = nn.init.calculate_gain("relu")
        for layer in (self.inner, self.leaf, *self.head):
            nn.init.xavier_uniform_(layer.weight, gain)
        for layer in (self.combine, *(layer for pair in self.nin.values() for layer in pair)):
            nn.init.orthogonal_(layer.weight, gain)
        nn.init.ones_(self.head[2].bias)

    def prepare(self, trees: Tensor) -> None:
        """Takes median and distance of the quartiles of each feature over all nodes of the training jets."""
        nodes = trees[trees[..., FEATURES] != NOTHING][:, :FEATURES].double().numpy()
        low, median, high = np.percentile(nodes, [25, 50, 75], axis=0)
        self.center.copy_(torch.from_numpy(median))
        self.scale.copy_(torch.from_numpy(high - low))

    def between(self, kind: str, h: Tensor) -> Tensor:
        """The two layers between a node and its parent."""
        first, second = self.nin[kind]
        return F.relu(second(F.relu(first(h))))

    def forward(self, forest: Forest) -> Tensor:
        """[B, 1]."""
        y = h = None  # of the level below, before and after the layers between levels
        for j, level in reversed(list(enumerate(forest.levels))):
            x = (level.features - self.center) / self.scale
            parts = []
            if level.inner > 0:
                sides = [(y if j > 0 else h).index_select(0, places) for places in (level.left, level.right)]
                if j == 0:
                    sides = [self.between(kind, side) for kind, side in zip(("left", "right"), sides, strict=True)]
                u = F.relu(self.inner(x[: level.inner]))
                parts.append(("inner", F.relu(self.combine(torch.cat([*sides, u], 1)))))
            if level.inner < len(x):
                parts.append(("leaf", F.relu(self.leaf(x[level.inner :]))))
            h = torch.cat([part for _, part in parts])
            if j > 1:
                y = torch.cat([self.between(kind, part) for kind, part in parts])
        roots = self.head[0].weight.new_zeros(forest.batch, self.combine.out_features)
        if h is not None:
            roots = roots.index_copy(0, forest.jets, h)
        first, second, last = self.head
        return last(F.relu(second(F.relu(first(roots)))))
