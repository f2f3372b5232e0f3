"""The reference taggers in PyTorch, padded to a fixed number of constituents as the public codes are.

All take one array of features, [B, P, C] (a vector or an image a jet where there are no constituents), whose padded
rows are entirely zero, and
return logits: [B, 2] (QCD, top), or [B, 1] for TopoDNN.

| tagger           | paper           | parameters | initial weights              | loss                 |
|------------------|-----------------|-----------:|------------------------------|----------------------|
| topodnn          | arXiv:1704.02124 |     59,323 | Glorot uniform               | binary cross entropy |
| efn, efn-rr      | arXiv:1810.05165 |     82,358 | He uniform                   | cross entropy        |
| pfn, pfn-rr      | arXiv:1810.05165 |     82,458 | He uniform                   | cross entropy        |
| particlenet      | arXiv:1902.08570 |    366,160 | Glorot uniform               | cross entropy        |
| particlenet-lite | arXiv:1902.08570 |     26,416 | Glorot uniform               | cross entropy        |
| nsub6            | arXiv:1807.04769 |     56,302 | Glorot uniform               | cross entropy        |
| nsub8            | arXiv:1807.04769 |     57,502 | Glorot uniform               | cross entropy        |
| cnn              | arXiv:1803.00107 |    609,666 | He uniform                   | cross entropy        |
| pcnn             | arXiv:1902.09914 |    348,400 | He uniform                   | cross entropy        |
| resnext          | arXiv:1611.05431 |  1,457,314 | He uniform                   | cross entropy        |
| part             | arXiv:2202.03772 |  2,141,134 | PyTorch's own                | cross entropy        |
| lorentznet       | arXiv:2201.08187 |    224,072 | PyTorch's own                | cross entropy        |

CNN, P-CNN and ResNeXt are in `convolutional.py`, the Particle Transformer in `particle_transformer.py`, LorentzNet in
`lorentznet.py`, TreeNiN in `tree_network.py`, LoLa and LBN in `lorentz.py`.

Glorot uniform draws from +-sqrt(6 / (fan_in + fan_out)), He uniform from +-sqrt(6 / fan_in). All biases start
at zero. Batch normalisation: scale 1, shift 0, eps 1e-5; running averages start at mean 0, variance 1 and move by
0.1 a step, towards the unbiased variance (PyTorch's defaults).

What the padded ParticleNet does, as the public codes do, and what `masked=True` does instead:

- Batch normalisation takes its mean and variance over *all* rows and edges, padded ones included. Masked: over
  real rows, and over edges between real constituents, only.
- A point always has k neighbours. Padded points are shifted far away, so they are chosen only where a jet has
  fewer than k + 1 real constituents; then they enter the mean over neighbours like real ones. Masked: the mean
  runs over the real neighbours, and is zero for a constituent without any.
- The average over constituents divides by the true number of constituents in both.

The padded Particle Transformer normalizes over padded constituents and pairs, as the public code does; both forms cut
jets to the longest of the batch. LorentzNet has no padding in either form; masked, the first layer of its edges acts on
nodes.

`masked` drops padded rows and edges before any layer instead of weighting them with zero. It is not what the public
codes do, but the fastest PyTorch here: about half the time of the padded form. EFN and PFN have it too; there it
changes the speed and no number.

The layout is rows: an edge is a row of C channels and a 1x1 convolution is a `Linear`. On CPUs this is faster than
`Conv2d` in either memory format (27 against 34 and 30 ms for convolution, normalisation, ReLU and their
gradients with 128 channels and 12,800 edges on one core), so the peer is given its best form.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import convolutional
import lorentznet
import particle_transformer
from layers import dense, glorot, he, linear
from lorentz import Lbn, Lola
from tree_network import TreeNin, by_levels

FAR = 1e9
"""Added to the coordinates of padded points so that they lie beyond every real neighbour."""


class TopoDnn(nn.Module):
    """A plain network on the 90 numbers of the 30 leading constituents."""

    def __init__(self) -> None:
        super().__init__()
        self.net = dense([90, 300, 102, 12, 6, 1], glorot)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 90] -> [B, 1]."""
        return self.net(x)


class Efn(nn.Module):
    """Energy Flow Network: F(sum_i z_i Phi(y_i, phi_i)). Padded rows have z = 0."""

    def __init__(self, masked: bool = False) -> None:
        super().__init__()
        self.masked = masked
        self.phi = nn.Sequential(dense([2, 100, 100, 256], he), nn.ReLU(inplace=True))
        self.f = dense([256, 100, 100, 100, 2], he)

    def forward(self, x: Tensor) -> Tensor:
        """[B, P, 3] (z, y, phi) -> [B, 2]."""
        if self.masked:
            jet, rows = real_rows(x)
            return self.f(sum_rows(rows[:, :1] * self.phi(rows[:, 1:]), jet, len(x)))
        z = x[..., :1].transpose(1, 2)  # [B, 1, P]
        return self.f(torch.bmm(z, self.phi(x[..., 1:])).squeeze(1))


class Pfn(nn.Module):
    """Particle Flow Network: F(sum_i Phi(z_i, y_i, phi_i)) over rows with a nonzero feature."""

    def __init__(self, masked: bool = False) -> None:
        super().__init__()
        self.masked = masked
        self.phi = nn.Sequential(dense([3, 100, 100, 256], he), nn.ReLU(inplace=True))
        self.f = dense([256, 100, 100, 100, 2], he)

    def forward(self, x: Tensor) -> Tensor:
        """[B, P, 3] (z, y, phi) -> [B, 2]."""
        if self.masked:
            jet, rows = real_rows(x)
            return self.f(sum_rows(self.phi(rows), jet, len(x)))
        mask = (x != 0.0).any(-1).to(x.dtype).unsqueeze(1)  # [B, 1, P]
        return self.f(torch.bmm(mask, self.phi(x)).squeeze(1))


def real_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Of padded features [B, P, C]: the jet of each real row [R], and the rows [R, C]."""
    real = (x != 0.0).any(-1).flatten().nonzero().squeeze(1)
    return real // x.shape[1], x.flatten(0, 1).index_select(0, real)


def sum_rows(rows: Tensor, owner: Tensor, owners: int) -> Tensor:
    """Sums rows [R, C] over their owners [R] -> [owners, C]."""
    return rows.new_zeros(owners, rows.shape[1]).index_add(0, owner, rows)


@torch.no_grad()
def nearest(points: Tensor, mask: Tensor, k: int) -> Tensor:
    """The k nearest other points, as rows of the flattened batch.

    points [B, P, D], mask [B, P] -> [B * P, k] indices into the B * P rows. Self is excluded; a padded point is
    chosen only where real ones run out.
    """
    batch, width, _ = points.shape
    far = points + (~mask).unsqueeze(-1) * FAR
    square = far.square().sum(-1)  # [B, P]
    distance = torch.baddbmm(square.unsqueeze(1), far, far.transpose(1, 2), alpha=-2.0)  # up to a constant a row
    distance.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    neighbor = distance.topk(k, dim=-1, largest=False, sorted=False).indices  # [B, P, k]
    first = torch.arange(0, batch * width, width, device=points.device).view(batch, 1, 1)
    return (neighbor + first).view(batch * width, k)


@torch.no_grad()
def real_edges(neighbor: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Center and neighbor of each edge between real constituents, as indices into the R real rows, [E] each."""
    real = mask.flatten()
    row = real.cumsum(0) - 1  # place of a padded row among the real ones
    keep = real.unsqueeze(1) & real[neighbor]
    center = row.unsqueeze(1).expand_as(neighbor)[keep]
    return center, row[neighbor[keep]]


class Nsubjettiness(nn.Module):
    """A dense network with dropout on the N-subjettiness basis."""

    def __init__(self, n_in: int, hidden: Sequence[int] = (200, 200, 50, 50), rates: Sequence[float] = (0.2, 0.2, 0.1, 0.1)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for (a, b), rate in zip(pairwise([n_in, *hidden]), rates, strict=True):
            layers += [linear(a, b, glorot), nn.ReLU(inplace=True), nn.Dropout(rate)]
        self.net = nn.Sequential(*layers, linear(hidden[-1], 2, glorot))

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3M - 2] -> [B, 2]."""
        return self.net(x)


class EdgeConv(nn.Module):
    """EdgeConv block: mean over the k nearest neighbours of an edge network, plus a shortcut."""

    def __init__(self, n_in: int, widths: Sequence[int], k: int) -> None:
        super().__init__()
        self.k = k
        sizes = [2 * n_in, *widths]
        self.linears = nn.ModuleList(linear(a, b, glorot, bias=False) for a, b in pairwise(sizes))
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for b in widths)
        self.shortcut = linear(n_in, widths[-1], glorot, bias=False)
        self.shortcut_norm = nn.BatchNorm1d(widths[-1])

    def forward(self, points: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """points [B, P, D], mask [B, P], rows x [B * P, C] or, masked, [R, C] -> rows of C' channels."""
        rows, channels = x.shape
        neighbor = nearest(points, mask, self.k)
        if rows == mask.numel():
            center = x.unsqueeze(1).expand(-1, self.k, -1).reshape(-1, channels)
            pooled = self.network(center, x.index_select(0, neighbor.flatten())).view(rows, self.k, -1).mean(1)
        else:
            source, target = real_edges(neighbor, mask)
            edge = self.network(x.index_select(0, source), x.index_select(0, target))
            count = torch.bincount(source, minlength=rows).clamp(min=1).unsqueeze(1)
            pooled = sum_rows(edge, source, rows) / count
        return F.relu_(pooled + self.shortcut_norm(self.shortcut(x)))

    def network(self, center: Tensor, other: Tensor) -> Tensor:
        """The edge network, rows [E, C] of both ends -> [E, C']."""
        edge = torch.cat([center, other - center], -1)
        for layer, norm in zip(self.linears, self.norms, strict=True):
            edge = F.relu_(norm(layer(edge)))
        return edge


class ParticleNet(nn.Module):
    """Dynamic graph network: EdgeConv blocks, average over constituents, one hidden layer.

    `blocks` lists (k, widths). `masked` keeps padding out of all statistics, see the module's text.
    """

    def __init__(self, blocks: Sequence[tuple[int, Sequence[int]]], hidden: int, masked: bool = False) -> None:
        super().__init__()
        self.masked = masked
        self.norm = nn.BatchNorm1d(7)
        inputs = [7, *(widths[-1] for _, widths in blocks)]
        self.blocks = nn.ModuleList(
            EdgeConv(n_in, widths, k) for n_in, (k, widths) in zip(inputs, blocks, strict=False)
        )
        self.head = nn.Sequential(
            linear(inputs[-1], hidden, glorot), nn.ReLU(inplace=True), nn.Dropout(0.1), linear(hidden, 2, glorot)
        )

    def forward(self, features: Tensor) -> Tensor:
        """The seven kinematic features [B, P, 7] -> [B, 2]."""
        mask = (features != 0.0).any(-1)  # [B, P]
        points = features[..., 2:4]  # deta, dphi
        x = features.flatten(0, 1)
        if self.masked:
            real = mask.flatten().nonzero().squeeze(1)
            x = self.norm(x.index_select(0, real))  # [R, 7]
        else:
            node = mask.view(-1, 1).to(x.dtype)
            x = self.norm(x) * node  # [B * P, 7]
        for block in self.blocks:
            x = block(points, x, mask)
            if self.masked:
                points = x.new_zeros(mask.numel(), x.shape[1]).index_copy(0, real, x).view(*mask.shape, -1)
            else:
                x = x * node
                points = x.view(*mask.shape, -1)
        count = mask.sum(1, keepdim=True).clamp(min=1)
        return self.head(points.sum(1) / count)


def _as_it_is(view: Tensor) -> Any:
    return view


@dataclass(frozen=True)
class Tagger:
    """A tagger: constructor (argument: masked), view, jets a training step, required number of parameters.

    `score_batch` is the number of jets scored at once: ParticleNet's edges of 1,024 jets would take 7 GB. `collate` makes
    what the network reads of the view of a batch.
    """

    build: Callable[[bool], nn.Module]
    view: str
    batch: int
    parameters: int
    score_batch: int = 1_024
    collate: Callable[[Tensor], Any] = _as_it_is


def _particlenet(masked: bool) -> nn.Module:
    return ParticleNet([(16, (64,) * 3), (16, (128,) * 3), (16, (256,) * 3)], 256, masked)


def _particlenet_lite(masked: bool) -> nn.Module:
    return ParticleNet([(7, (32,) * 3), (7, (64,) * 3)], 128, masked)


TAGGERS: dict[str, Tagger] = {
    "topodnn": Tagger(lambda _: TopoDnn(), "topodnn", 96, 59_323),
    "efn": Tagger(Efn, "cloud", 256, 82_358),
    "efn-rr": Tagger(Efn, "cloud-rotated", 256, 82_358),
    "pfn": Tagger(Pfn, "cloud", 256, 82_458),
    "pfn-rr": Tagger(Pfn, "cloud-rotated", 256, 82_458),
    "particlenet": Tagger(_particlenet, "kinematic", 64, 366_160, 64),
    "particlenet-lite": Tagger(_particlenet_lite, "kinematic", 64, 26_416),
    "nsub6": Tagger(lambda _: Nsubjettiness(16), "m-body-6", 256, 56_302),
    "nsub8": Tagger(lambda _: Nsubjettiness(22), "m-body-8", 256, 57_502),
    "cnn": Tagger(lambda _: convolutional.Cnn(), "image-upright", 128, 609_666, 128),
    "pcnn": Tagger(lambda _: convolutional.Pcnn(), "kinematic", 1024, 348_400, 256),
    "resnext": Tagger(lambda _: convolutional.ResNeXt(), "image", 256, 1_457_314, 128),
    "part": Tagger(
        lambda masked: particle_transformer.ParticleTransformer(masked=masked), "standardized", 64, 2_141_134, 64
    ),
    "lorentznet": Tagger(lambda masked: lorentznet.LorentzNet(split=masked), "four-vectors-200", 32, 224_072, 32),
    "lbn": Tagger(lambda _: Lbn(), "four-vectors", 256, 705_302),
    "lola": Tagger(lambda _: Lola(), "four-vectors", 128, 127_052),
    "treenin": Tagger(lambda _: TreeNin(), "kt-tree", 128, 33_901, collate=by_levels),
}


def build(name: str, masked: bool = False) -> nn.Module:
    """The named tagger with fresh weights from PyTorch's global generator; its size is checked."""
    tagger = TAGGERS[name]
    model = tagger.build(masked)
    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if parameters != tagger.parameters:
        raise AssertionError(f"{name}: {parameters} parameters, published {tagger.parameters}")
    return model


def adam(model: nn.Module, lr: float) -> torch.optim.Adam:
    """Adam with its published defaults, in PyTorch's fused form (a third off a TopoDNN step on the CPU)."""
    return torch.optim.Adam(model.parameters(), lr=lr, betas=(0.9, 0.999), eps=1e-8, fused=True)


def loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean (binary) cross entropy of logits [B, 1 or 2] and labels [B] in {0, 1}."""
    if logits.shape[1] == 1:
        return F.binary_cross_entropy_with_logits(logits.squeeze(1), labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)


def score(logits: Tensor) -> Tensor:
    """The probability of a top jet, [B]."""
    return torch.sigmoid(logits[:, 0]) if logits.shape[1] == 1 else torch.softmax(logits, 1)[:, 1]
