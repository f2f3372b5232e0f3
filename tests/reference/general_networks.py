"""The general networks (fcn, graphnet, chebnet, gcn, cnn1d, cnn2d, lstm-resnet) in PyTorch, written from their formulas.

Graphs are dense matrices over all rows of a batch, made by plain loops; nothing here is fast. An example is a row of a
padded array [B, P, F] whose rows of zeros, at the end, are not there; grids and decays have all their rows.

Parameters have the transposed shapes of ours, so that `values` of taggers_forward.py, which transposes matrices, gives
ours: a kernel is [c_out, (ky, kx, c_in)] or PyTorch's, slopes are [C, places], an embedding is [width, kinds].
"""

import torch
import torch.nn.functional as F
from torch import nn


def real_rows(x):
    """Example and place of each row that is there, [R] both."""
    there = (x != 0).any(-1)
    example, place = there.nonzero(as_tuple=True)
    return example, place


def looks_at(points, example, k):
    """[R, R]: 1 where row i has row j among its k nearest others of the same example."""
    found = torch.zeros(len(points), len(points))
    for b in example.unique():
        mine = (example == b).nonzero()[:, 0]
        distance = torch.cdist(points[mine], points[mine])
        for i, row in enumerate(distance):
            others = sorted((d.item(), j) for j, d in enumerate(row) if j != i)
            if len(others) > k:
                (last, _), (following, _) = others[k - 1], others[k]
                assert following**2 - last**2 > 1e-5 * following**2, "two neighbors are equally near"
            for _, j in others[:k]:
                found[mine[i], mine[j]] = 1.0
    return found


def pixels_around(height, width, examples):
    one = torch.zeros(height * width, height * width)
    for y in range(height):
        for x in range(width):
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    if (dy or dx) and 0 <= y + dy < height and 0 <= x + dx < width:
                        one[y * width + x, (y + dy) * width + x + dx] = 1.0
    return torch.block_diag(*[one] * examples)


def decays(mothers, loops):
    """[B N, B N] from mothers [B, N], -1 for none."""
    examples, n = mothers.shape
    found = torch.zeros(examples * n, examples * n)
    for b in range(examples):
        for i in range(n):
            mother = int(mothers[b, i])
            if mother >= 0:
                found[b * n + i, b * n + mother] = found[b * n + mother, b * n + i] = 1.0
                if loops:
                    found[b * n + i, b * n + i] = 1.0
    return found


def normalized(weights):
    degree = weights.sum(1)
    inverse = torch.where(degree > 0, degree.clamp(min=1e-300) ** -0.5, torch.zeros_like(degree))
    return inverse[:, None] * weights * inverse


class Rows(nn.Module):
    """Reads a batch as rows with a graph. `graph` is ("nearest", k), ("grid", height, width) or ("decays",)."""

    def __init__(self, graph, padded_to=None):
        super().__init__()
        self.graph, self.padded_to = graph, padded_to

    def forward(self, x):
        """Rows [R, F], example and place [R], what looks at what [R, R] without loops, loops [R]."""
        kind = self.graph[0]
        if kind == "grid":
            x = x.flatten(2).transpose(1, 2)  # [B, C, H, W] to [B, H W, C]
        mothers = None
        if kind == "decays":
            x, mothers = x[..., :-1], x[..., -1]
        if kind == "nearest" and self.padded_to is None:
            example, place = real_rows(x)
            rows = x[example, place]
        else:
            if self.padded_to is not None:
                x = F.pad(x, (0, 0, 0, self.padded_to - x.shape[1]))
            example = torch.arange(len(x)).repeat_interleave(x.shape[1])
            place = torch.arange(x.shape[1]).repeat(len(x))
            rows = x.flatten(0, 1)
        there = torch.ones(len(rows)) if kind != "nearest" else (rows != 0).any(1).to(rows.dtype)
        if kind == "nearest":
            real = there.nonzero()[:, 0]
            edges = torch.zeros(len(rows), len(rows))
            edges[real[:, None], real] = looks_at(rows[real, 2:4], example[real], self.graph[1])
            return rows, example, place, edges, there
        if kind == "grid":
            return rows, example, place, pixels_around(*self.graph[1:], len(x)), there
        return rows, example, place, decays(mothers, False), (mothers.flatten() >= 0).to(rows.dtype)


def mean(rows, example, examples):
    count = torch.bincount(example, minlength=examples).clamp(min=1)[:, None]
    return rows.new_zeros(examples, rows.shape[1]).index_add(0, example, rows) / count


def prelu(x, slopes):
    return torch.where(x > 0, x, slopes * x)


class Fcn(nn.Module):
    def __init__(self, widths, length):
        super().__init__()
        self.length = length
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        x = F.pad(x, (0, 0, 0, max(0, self.length - x.shape[1])))[:, : self.length].flatten(1)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)

    def names(self):
        return linears("dense", self.layers)


class GraphNet(nn.Module):
    def __init__(self, graph, nodes, features, dense, graph_widths, head, padded=False):
        super().__init__()
        self.rows = Rows(graph, nodes if padded else None)
        width = features
        self.dense, self.graph, self.head = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for group, widths, places in ((self.dense, dense, 1), (self.graph, graph_widths, nodes), (self.head, head, 1)):
            for c in widths:
                layer = nn.ModuleDict({"dense": nn.Linear(width, c), "norm": nn.BatchNorm1d(c)})
                layer.slopes = nn.Parameter(torch.zeros(c, places) if places > 1 else torch.zeros(c))
                group.append(layer)
                width = c
        self.out = nn.Linear(width, 1)

    def forward(self, x):
        rows, example, place, edges, loops = self.rows(x)
        kind = self.rows.graph[0]
        if kind == "nearest":
            matrix = (edges + torch.diag(loops)).T
        elif kind == "decays":
            matrix = edges + torch.diag(loops)
        else:
            matrix = edges
        for layer in self.dense:
            rows = prelu(F.relu(layer["dense"](rows)), layer.slopes)
        for layer in self.graph:
            rows = F.relu(matrix @ layer["dense"](rows))
            rows = prelu(layer["norm"](rows), layer.slopes.T[place])
        x = mean(rows, example, len(x))
        for layer in self.head:
            x = prelu(layer["norm"](F.relu(layer["dense"](x))), layer.slopes)
        return self.out(x)

    def names(self):
        names = {}
        for kind, group in (("dense", self.dense), ("graph", self.graph), ("head", self.head)):
            for i, layer in enumerate(group):
                name = f"{kind}{i}"
                names |= linears(name, [layer["dense"]]) | {f"{name}.prelu.slope": layer.slopes}
                if kind != "dense":
                    names |= normalization(f"{name}.norm", layer["norm"])
        return names | linears("out", [self.out])


class ChebNet(nn.Module):
    def __init__(self, graph, features, sigma, order, channels, hidden):
        super().__init__()
        self.rows, self.sigma, self.order = Rows(graph), sigma, order
        widths = [features, *channels]
        self.filters = nn.ModuleList(nn.Linear(order * a, b) for a, b in zip(widths, widths[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm1d(c) for c in channels)
        self.head = nn.ModuleList([nn.Linear(widths[-1], hidden), nn.Linear(hidden, 1)])

    def forward(self, x):
        rows, example, _, edges, _ = self.rows(x)
        weights = torch.maximum(edges, edges.T)
        if self.rows.graph[0] == "nearest":
            square = torch.cdist(rows[:, 2:4], rows[:, 2:4]) ** 2
            weights = weights * torch.exp(-square / self.sigma**2)
        identity = torch.eye(len(rows))
        joined = torch.diag((weights.sum(1) > 0).to(rows.dtype))
        laplacian = joined - normalized(weights)
        scaled = 2 * laplacian / 2 - joined  # of a node without edges both are zero
        for filter, norm in zip(self.filters, self.norms):
            terms = [identity, scaled]
            while len(terms) < self.order:
                terms.append(2 * scaled @ terms[-1] - terms[-2])
            rows = F.relu(norm(filter(torch.cat([t @ rows for t in terms[: self.order]], 1))))
        x = mean(rows, example, len(x))
        return self.head[1](F.relu(self.head[0](x)))

    def names(self):
        names = {}
        for i, (filter, norm) in enumerate(zip(self.filters, self.norms)):
            names |= linears(f"chebyshev{i}", [filter]) | normalization(f"norm{i}", norm)
        return names | linears("head", self.head)


class Gcn(nn.Module):
    """`embedding` is (column, kinds, width) or None."""

    def __init__(self, graph, features, dense, graph_widths, head, embedding=None):
        super().__init__()
        self.rows, self.embedding = Rows(graph), embedding
        if embedding:
            self.table = nn.Parameter(torch.zeros(embedding[2], embedding[1]))
            features = features - 1 + embedding[2]
        chain = lambda widths: nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))
        self.dense = chain([features, *dense])
        self.graph = chain([dense[-1], *graph_widths])
        self.head = chain([graph_widths[-1], *head, 1])

    def forward(self, x):
        rows, example, _, edges, loops = self.rows(x)
        matrix = torch.maximum(edges, edges.T)
        matrix = normalized(matrix + torch.diag(torch.ones_like(loops) if self.rows.graph[0] == "grid" else loops))
        if self.embedding:
            column = self.embedding[0]
            rest = torch.cat([rows[:, :column], rows[:, column + 1 :]], 1)
            rows = torch.cat([self.table.T[rows[:, column].long()], rest], 1)
        for layer in self.dense:
            rows = F.relu(layer(rows))
        for layer in self.graph:
            rows = F.relu(matrix @ layer(rows))
        x = mean(rows, example, len(x))
        for layer in self.head[:-1]:
            x = F.relu(layer(x))
        return self.head[-1](x)

    def names(self):
        names = {"embedding.table": self.table} if self.embedding else {}
        names |= linears("dense", self.dense)
        for i, layer in enumerate(self.graph):
            names |= linears(f"graph{i}", [layer])
        return names | linears("head", self.head)


class Cnn1d(nn.Module):
    def __init__(self, length, features, kernel, channels, hidden):
        super().__init__()
        self.length, self.kernel = length, kernel
        self.norm = nn.BatchNorm1d(features)
        widths = [features, *channels]
        self.kernels = nn.ParameterList(torch.zeros(b, kernel * a) for a, b in zip(widths, widths[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm1d(c) for c in channels)
        self.hidden, self.out = nn.Linear(widths[-1], hidden), nn.Linear(hidden, 1)

    def forward(self, x):
        example, place = real_rows(x)
        full = x.new_zeros(len(x), self.length, x.shape[2])
        full = full.index_put((example, place), self.norm(x[example, place])).transpose(1, 2)
        for weight, norm in zip(self.kernels, self.norms):
            weight = weight.view(len(weight), self.kernel, -1).transpose(1, 2)
            full = F.max_pool1d(F.relu(norm(F.conv1d(full, weight, padding=self.kernel // 2))), 2)
        return self.out(F.relu(self.hidden(full.mean(2))))

    def names(self):
        names = normalization("norm", self.norm)
        for i, (weight, norm) in enumerate(zip(self.kernels, self.norms)):
            names |= {f"conv{i}.weight": weight} | normalization(f"norm{i}", norm)
        return names | linears("hidden", [self.hidden]) | linears("out", [self.out])


class Cnn2d(nn.Module):
    """`stages` lists (kernel, channels, pooling), pooling None, "max" or "average"."""

    def __init__(self, picture, stages, hidden, normalize):
        super().__init__()
        self.pooling = [pooling for _, _, pooling in stages]
        c_in, h, w = picture
        self.stages, self.hidden = nn.ModuleList(), nn.ModuleList()
        for kernel, c, pooling in stages:
            if pooling:
                h, w = h // 2, w // 2
            stage = nn.Module()
            stage.kernel = kernel
            stage.weight, stage.bias = nn.Parameter(torch.zeros(c, kernel * kernel * c_in)), nn.Parameter(torch.zeros(c))
            if normalize:
                stage.norm, stage.slopes = nn.BatchNorm2d(c), nn.Parameter(torch.zeros(c, h * w))
            self.stages.append(stage)
            c_in = c
        width = c_in * h * w
        for c in hidden:
            layer = nn.Module()
            layer.dense = nn.Linear(width, c)
            if normalize:
                layer.norm, layer.slopes = nn.BatchNorm1d(c), nn.Parameter(torch.zeros(c))
            self.hidden.append(layer)
            width = c
        self.out, self.normalize = nn.Linear(width, 1), normalize

    def forward(self, x):
        for stage, pooling in zip(self.stages, self.pooling):
            k = stage.kernel
            before, after = (k - 1) // 2, k // 2
            weight = stage.weight.view(len(stage.weight), k, k, -1).permute(0, 3, 1, 2)
            x = F.conv2d(F.pad(x, (before, after, before, after)), weight, stage.bias)
            if pooling:
                x = F.max_pool2d(x, 2) if pooling == "max" else F.avg_pool2d(x, 2)
            x = prelu(stage.norm(x), stage.slopes.view(1, *x.shape[1:])) if self.normalize else F.relu(x)
        x = x.permute(0, 2, 3, 1).flatten(1)
        for layer in self.hidden:
            x = layer.dense(x)
            x = prelu(layer.norm(x), layer.slopes) if self.normalize else F.relu(x)
        return self.out(x)

    def names(self):
        names = {}
        for i, stage in enumerate(self.stages):
            names |= {f"conv{i}.weight": stage.weight, f"conv{i}.bias": stage.bias}
            if self.normalize:
                names |= normalization(f"conv{i}.norm", stage.norm) | {f"conv{i}.prelu.slope": stage.slopes}
        for i, layer in enumerate(self.hidden):
            names |= linears(f"hidden{i}", [layer.dense])
            if self.normalize:
                names |= normalization(f"hidden{i}.norm", layer.norm) | {f"hidden{i}.prelu.slope": layer.slopes}
        return names | linears("out", [self.out])


class Lstm(nn.Module):
    """PyTorch's own, with one bias a gate."""

    def __init__(self, features, units):
        super().__init__()
        self.weight, self.recurrent = nn.Parameter(torch.zeros(4 * units, features)), nn.Parameter(torch.zeros(4 * units, units))
        self.gates = ("input", "forget", "candidate", "output")
        self.biases = nn.ParameterList(torch.zeros(units) for _ in self.gates)

    def forward(self, x):
        """[R, T, F] to [R, T, H]."""
        bias, start = torch.cat(list(self.biases)), x.new_zeros(1, len(x), self.recurrent.shape[1])
        weights = [self.weight, self.recurrent, bias, torch.zeros_like(bias)]
        return torch.lstm(x, (start, start), weights, True, 1, 0.0, self.training, False, True)[0]

    def names(self, name):
        names = {f"{name}.weight": self.weight, f"{name}.recurrent": self.recurrent}
        return names | {f"{name}.bias.{gate}": bias for gate, bias in zip(self.gates, self.biases)}


class LstmResNet(nn.Module):
    def __init__(self, bins, size, recurrent, summary, channels, units):
        super().__init__()
        self.bins, self.size = bins, size
        self.forwards, self.backwards = Lstm(1, recurrent), Lstm(1, recurrent)
        self.summary = Lstm(2 * recurrent, summary)
        self.stages = nn.ModuleList()
        c_in = summary + 1
        for c in channels:
            stage = nn.Module()
            stage.widen = nn.Conv2d(c_in, c, 1)
            stage.units = nn.ModuleList(
                nn.ModuleList([nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c), nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c)])
                for _ in range(units)
            )
            self.stages.append(stage)
            c_in = c
        self.out = nn.Linear(c_in, 1)

    def forward(self, x):
        """[B, H W, T + 1]."""
        traces = x[..., :-1].reshape(-1, self.bins, 1)
        both = torch.cat([self.forwards(traces), self.backwards(traces.flip(1)).flip(1)], 2)
        picture = torch.cat([self.summary(both)[:, -1], x[..., -1].reshape(-1, 1)], 1)
        x = picture.view(len(x), *self.size, -1).permute(0, 3, 1, 2)
        for s, stage in enumerate(self.stages):
            x = F.relu(stage.widen(F.max_pool2d(x, 2) if s else x))
            for first, first_norm, second, second_norm in stage.units:
                x = F.relu(x + second_norm(second(F.relu(first_norm(first(x))))))
        return self.out(x.amax((2, 3)))

    def names(self):
        names = self.forwards.names("trace.forwards") | self.backwards.names("trace.backwards")
        names |= self.summary.names("summary")
        for s, stage in enumerate(self.stages):
            names |= {f"stage{s}.widen.{kind}": getattr(stage.widen, kind) for kind in ("weight", "bias")}
            for u, (first, first_norm, second, second_norm) in enumerate(stage.units):
                for part, layer, norm in (("first", first, first_norm), ("second", second, second_norm)):
                    name = f"stage{s}.unit{u}.{part}"
                    names |= {f"{name}.{kind}": getattr(layer, kind) for kind in ("weight", "bias")}
                    names |= normalization(f"{name}_norm", norm)
        return names | linears("out", [self.out])


def linears(name, layers):
    kinds = ("weight", "bias")
    return {f"{name}.{l}.{kind}": getattr(layer, kind) for l, layer in enumerate(layers) for kind in kinds}


def normalization(name, norm):
    return {f"{name}.gamma": norm.weight, f"{name}.beta": norm.bias,
            f"{name}.0.running_mean": norm.running_mean, f"{name}.0.running_variance": norm.running_var}
