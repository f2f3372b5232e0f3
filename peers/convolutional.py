"""The convolutional reference taggers: CNN and ResNeXt on images, P-CNN on a padded sequence of constituents."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from layers import dense, he, linear


def convolution(layer: nn.Module) -> nn.Module:
    """He uniform weights, bias zero."""
    he(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Cnn(nn.Module):
    """Two stages of 4 x 4 convolutions with padding 1, each ended by a 2 x 2 pooling; then dense layers."""

    def __init__(
        self,
        side: int = 40,
        stages: Sequence[Sequence[int]] = ((128, 64), (64, 64)),
        hidden: Sequence[int] = (64, 256, 256),
    ) -> None:
        super().__init__()
        channels = 1
        layers: list[nn.Module] = []
        for widths in stages:
            for width in widths:
                layers += [convolution(nn.Conv2d(channels, width, 4, padding=1)), nn.ReLU(inplace=True)]
                side, channels = side - 1, width
            layers.append(nn.MaxPool2d(2))
            side //= 2
        self.picture = nn.Sequential(*layers)
        self.dense = dense([side * side * channels, *hidden, 2], he)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 1, H, W] -> [B, 2]."""
        return self.dense(self.picture(x).permute(0, 2, 3, 1).flatten(1))  # pixel by pixel, as Tagwerk has it


class Unit(nn.Module):
    """The residual unit of P-CNN: the sum with the shortcut comes after the last ReLU."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = convolution(nn.Conv1d(n_in, n_out, 3, stride, 1, bias=False))
        self.first_norm = nn.BatchNorm1d(n_out)
        self.second = convolution(nn.Conv1d(n_out, n_out, 3, 1, 1, bias=False))
        self.second_norm = nn.BatchNorm1d(n_out)
        project = stride > 1 or n_in != n_out
        self.shortcut = convolution(nn.Conv1d(n_in, n_out, 1, stride, bias=False)) if project else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu_(self.first_norm(self.first(x)))
        return self.shortcut(x) + F.relu_(self.second_norm(self.second(y)))


class Pcnn(nn.Module):
    """A residual network over the sequence of constituents, padded with zeros that all layers see."""

    def __init__(
        self, stem: int = 32, stages: Sequence[int] = (64, 64, 128), hidden: int = 512, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(7)
        self.stem = convolution(nn.Conv1d(7, stem, 3, padding=1, bias=False))
        self.stem_norm = nn.BatchNorm1d(stem)
        units, channels = [], stem
        for i, width in enumerate(stages):
            for j in range(2):
                units.append(Unit(channels, width, 2 if i > 0 and j == 0 else 1))
                channels = width
        self.units = nn.Sequential(*units)
        self.hidden = linear(channels, hidden, he)
        self.dropout = nn.Dropout(dropout)
        self.out = linear(hidden, 2, he)

    def forward(self, features: Tensor) -> Tensor:
        """The seven kinematic features [B, P, 7] -> [B, 2]."""
        x = self.norm(features.transpose(1, 2).contiguous())
        x = F.relu_(self.stem_norm(self.stem(x)))
        x = self.units(x).mean(2)
        return self.out(self.dropout(F.relu_(self.hidden(x))))


class Bottleneck(nn.Module):
    """The residual block of ResNeXt: 1 x 1, grouped 3 x 3, 1 x 1; the sum comes before the last ReLU."""

    def __init__(self, n_in: int, width: int, n_out: int, stride: int, groups: int, project: bool) -> None:
        super().__init__()
        self.reduce = convolution(nn.Conv2d(n_in, width, 1, bias=False))
        self.reduce_norm = nn.BatchNorm2d(width)
        self.grouped = convolution(nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False))
        self.grouped_norm = nn.BatchNorm2d(width)
        self.expand = convolution(nn.Conv2d(width, n_out, 1, bias=False))
        self.expand_norm = nn.BatchNorm2d(n_out)
        self.shortcut = convolution(nn.Conv2d(n_in, n_out, 1, stride, bias=False)) if project else None
        self.shortcut_norm = nn.BatchNorm2d(n_out) if project else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu_(self.reduce_norm(self.reduce(x)))
        y = F.relu_(self.grouped_norm(self.grouped(y)))
        y = self.expand_norm(self.expand(y))
        return F.relu_(y + (x if self.shortcut is None else self.shortcut_norm(self.shortcut(x))))


class ResNeXt(nn.Module):
    """ResNeXt-50 (32 x 4d) with a quarter of its channels, but for the stem."""

    def __init__(
        self,
        stem: int = 64,
        widths: Sequence[int] = (32, 64, 128, 256),
        blocks: Sequence[int] = (3, 4, 6, 3),
        groups: int = 32,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.stem = convolution(nn.Conv2d(1, stem, 7, 2, 3, bias=False))
        self.stem_norm = nn.BatchNorm2d(stem)
        self.blocks, channels = nn.Sequential(), stem
        for i, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for j in range(count):
                stride = 2 if i > 0 and j == 0 else 1
                self.blocks.append(Bottleneck(channels, width, 2 * width, stride, groups, j == 0))
                channels = 2 * width
        self.dropout = nn.Dropout(dropout)
        self.out = linear(channels, 2, he)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 1, H, W] -> [B, 2]."""
        x = F.relu_(self.stem_norm(self.stem(x)))
        x = self.blocks(F.max_pool2d(x, 3, 2, 1))
        return self.out(self.dropout(x.mean((2, 3))))
