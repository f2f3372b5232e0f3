"""The Particle Transformer, arXiv:2202.03772, in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FAR = -1e30
"""Added to the score of a padded key: its weight is zero, and a jet without any key stays finite."""

EPSILON = 1e-8
"""Nothing smaller enters a logarithm."""


def pair_features(a: Tensor, b: Tensor) -> Tensor:
    """ln kT, ln z, ln dR, ln m^2 of pairs of four-vectors (E, px, py, pz), [.., 4] each -> [.., 4]."""

    def coordinates(p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        e, px, py, pz = p.unbind(-1)
        pt2 = px.square() + py.square()
        # A squared mass that rounding made negative counts as zero.
        mt2 = pt2 + (e.square() - pz.square() - pt2).clamp(min=0.0)
        magnitude = (e + pz.abs()).square() / mt2.clamp(min=1e-20)
        return pt2.sqrt(), 0.5 * magnitude.clamp(min=1e-20).log() * pz.sign(), torch.atan2(py, px)

    (pt_a, y_a, phi_a), (pt_b, y_b, phi_b) = coordinates(a), coordinates(b)
    dphi = torch.remainder(phi_a - phi_b + torch.pi, 2 * torch.pi) - torch.pi
    dr = torch.hypot(y_a - y_b, dphi)
    softer = torch.minimum(pt_a, pt_b)
    pair = a + b
    m2 = pair[..., 0].square() - pair[..., 1:].square().sum(-1)
    features = [softer * dr, softer / (pt_a + pt_b).clamp(min=EPSILON), dr, m2]
    return torch.stack(features, -1).clamp(min=EPSILON).log()


class PairEmbedding(nn.Module):
    """A bias a head from the features of each unordered pair: batch normalizations, 1x1 convolutions, GELUs."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.input_norm = nn.BatchNorm1d(widths[0])
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for b in widths[1:])

    def forward(self, vectors: Tensor, mask: Tensor, masked: bool) -> Tensor:
        """vectors [B, P, 4], mask [B, P] -> [B, H, P, P]."""
        batch, width, _ = vectors.shape
        i, j = torch.tril_indices(width, width, device=vectors.device)
        with torch.no_grad():
            if masked:
                jet, pair = (mask[:, i] & mask[:, j]).nonzero(as_tuple=True)
            else:
                jet = torch.arange(batch, device=vectors.device).repeat_interleave(len(i))
                pair = torch.arange(len(i), device=vectors.device).repeat(batch)
            first, second = jet * width + i[pair], jet * width + j[pair]
            flat = vectors.flatten(0, 1)
            x = pair_features(flat.index_select(0, first), flat.index_select(0, second))
            there, back = first * width + j[pair], second * width + i[pair]
        x = self.input_norm(x)
        for linear, norm in zip(self.linears, self.norms, strict=True):
            x = F.gelu(norm(linear(x)))
        bias = x.new_zeros(batch * width * width, x.shape[1]).index_copy(0, there, x)
        off = (there != back).nonzero().squeeze(1)
        bias = bias.index_add(0, back.index_select(0, off), x.index_select(0, off))
        return bias.view(batch, width, width, -1).permute(0, 3, 1, 2)


class Feed(nn.Module):
    """The half of a block after the attention, and the projection before it (NormFormer, arXiv:2110.09456)."""

    def __init__(self, channels: int, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.project = nn.Linear(channels, channels)
        self.scale = nn.Parameter(torch.ones(heads))
        self.attention_norm = nn.LayerNorm(channels)
        self.input_norm = nn.LayerNorm(channels)
        self.first = nn.Linear(channels, expansion * channels)
        self.hidden_norm = nn.LayerNorm(expansion * channels)
        self.second = nn.Linear(expansion * channels, channels)
        self.residual = nn.Parameter(torch.ones(channels))

    def forward(self, attended: Tensor, x: Tensor) -> Tensor:
        """Both [R, C] -> [R, C]."""

        def drop(y: Tensor) -> Tensor:
            return F.dropout(y, self.dropout, self.training)

        y = self.project(attended)
        y = (y.view(len(y), self.heads, -1) * self.scale.view(1, -1, 1)).flatten(1)
        x = x + drop(self.attention_norm(y))
        y = drop(F.gelu(self.first(self.input_norm(x))))
        return x * self.residual + drop(self.second(self.hidden_norm(y)))


class Block(nn.Module):
    """Self-attention of constituents with a bias a pair."""

    def __init__(self, channels: int, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.feed = Feed(channels, heads, expansion, dropout)


class ClassBlock(nn.Module):
    """Attention of the class token to itself and the constituents; no bias, no dropout."""

    def __init__(self, channels: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.q = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.feed = Feed(channels, heads, expansion, 0.0)

    def forward(self, token: Tensor, x: Tensor, mask: Tensor) -> Tensor:
        """token [B, C], x [B, P, C], mask [B, P] -> [B, C]."""
        batch, channels = token.shape
        rows = self.norm(torch.cat([token.unsqueeze(1), x], 1))
        q = self.q(token).view(batch, 1, self.heads, -1)
        k, v = (part.unflatten(-1, (self.heads, -1)) for part in self.kv(rows).chunk(2, -1))
        keys = F.pad(mask, (1, 0), value=True)[:, None, None]
        q, k, v = (part.transpose(1, 2) for part in (q, k, v))
        attended = F.scaled_dot_product_attention(q, k, v, keys)
        return self.feed(attended.transpose(1, 2).reshape(batch, channels), token)


class ParticleTransformer(nn.Module):
    """The published tagger. Jets are cut to the longest of the batch, as the public code does.

    `masked` drops padded rows and pairs before any dense layer and any batch normalization.
    """

    def __init__(
        self,
        embed: Sequence[int] = (128, 512, 128),
        pairs: Sequence[int] = (64, 64, 64),
        heads: int = 8,
        blocks: int = 8,
        class_blocks: int = 2,
        expansion: int = 4,
        dropout: float = 0.1,
        masked: bool = False,
    ) -> None:
        super().__init__()
        self.masked = masked
        channels = embed[-1]
        self.norm = nn.BatchNorm1d(7)
        layers: list[nn.Module] = []
        for a, b in pairwise([7, *embed]):
            layers += [nn.LayerNorm(a), nn.Linear(a, b), nn.GELU()]
        self.embed = nn.Sequential(*layers)
        self.pairs = PairEmbedding([4, *pairs, heads])
        self.blocks = nn.ModuleList(Block(channels, heads, expansion, dropout) for _ in range(blocks))
        self.token = nn.Parameter(torch.empty(channels))
        self.class_blocks = nn.ModuleList(ClassBlock(channels, heads, expansion) for _ in range(class_blocks))
        self.head_norm = nn.LayerNorm(channels)
        self.head = nn.Linear(channels, 2)
        nn.init.trunc_normal_(self.token, std=0.02)
        for block in self.blocks:
            for weight in (block.qkv.weight,):
                nn.init.xavier_uniform_(weight)
            nn.init.zeros_(block.qkv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """[B, P, 11], seven standardized features and the four-vector -> [B, 2]."""
        mask = (x != 0.0).any(-1)
        width = max(int(mask.sum(1).max()), 1)
        x, mask = x[:, :width], mask[:, :width]
        batch = len(x)
        real = mask.flatten().nonzero().squeeze(1)

        def rows(padded: Tensor) -> Tensor:
            flat = padded.flatten(0, 1)
            return flat.index_select(0, real) if self.masked else flat

        def padded(rows: Tensor) -> Tensor:
            if self.masked:
                rows = rows.new_zeros(batch * width, rows.shape[1]).index_copy(0, real, rows)
            return rows.view(batch, width, -1)

        bias = self.pairs(x[..., 7:], mask, self.masked)
        bias = bias.masked_fill(~mask[:, None, None], FAR)
        h = self.embed(self.norm(rows(x[..., :7])))
        for block in self.blocks:
            qkv = padded(block.qkv(block.norm(h))).unflatten(-1, (3, block.heads, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            drop = block.dropout if self.training else 0.0
            attended = F.scaled_dot_product_attention(q, k, v, bias, drop)
            h = block.feed(rows(attended.transpose(1, 2).flatten(2)), h)
        token, h = self.token.expand(batch, -1), padded(h)
        for block in self.class_blocks:
            token = block(token, h, mask)
        return self.head(self.head_norm(token))
