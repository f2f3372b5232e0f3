"""Scores, loss and one optimizer step of the taggers, by PyTorch in f64.

    python tests/reference/taggers_forward.py

Needs numpy, pyarrow, torch, fastjet and safetensors. The networks are those of `peers/models.py`, where they can with
`masked=True`, so that padding enters nothing; widths are small so that the files are. Weights are random, and so are the normalizations'
gammas (some negative), betas and running statistics. The batch is real jets of `samples/top_sample.parquet`, among
them one cut to a single constituent, one cut to three (fewer than any block's k + 1) and, for the point clouds, one
without any. Their directions are moved by up to 0.001: constituents sit on the cells of a calorimeter, so that many
pairs are equally far apart, and which of two equally near neighbors enters is each implementation's own choice. Their
views are those of `physics_views.py`.

Writes data/taggers_forward/NAME/, one folder a case, all numbers f32 in our names and shapes (weights are [in, out]):

  weights.safetensors    what the network starts from
  expected.safetensors   `rows`, `offsets` and `labels` of the batch; of trees also `inner`, 1 for nodes with children;
                         `log_odds` [B] while scoring, `loss` [1] while training without dropout;
                         `gradient.*` of that loss; `adam.*`, weights and statistics after one step at 1e-3;
                         `smooth.log_odds`, scores after one step, instead, of an Adam with learning rate and epsilon 1,
                         which moves each weight by g / (|g| + 1)

`particlenet-lite` is the published network; of its step only `smooth.log_odds` is kept, the rest would be large.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from safetensors.numpy import save_file

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
sys.path += [str(HERE), str(ROOT / "peers")]

import convolutional
import features
import layers
import lorentz
import lorentznet
import models
import particle_transformer
import physics_views
import tree_network

torch.set_default_dtype(torch.float64)

JETS = [(row, None) for row in range(9)] + [(9, 1), (10, 3), (11, 0), (12, None)]
"""Rows of the sample, and how many constituents are kept of each."""


def jets():
    table = pq.read_table(ROOT / "samples" / "top_sample.parquet").slice(0, 13).to_pydict()
    draws = np.random.default_rng(1)
    for row, keep in JETS:
        pt, eta, phi = (np.array(table[f"constituent_{c}"][row], dtype=np.float64)[:keep] for c in ("pt", "eta", "phi"))
        eta, phi = (angle + draws.uniform(-1e-3, 1e-3, len(pt)) for angle in (eta, phi))
        yield np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)]), table["label"][row]


def nearest_without_ties(points, mask, k, search=models.nearest):
    """The search of the peers, where the k-th neighbor is nearer than the next by far more than f32 rounding."""
    distance = torch.cdist(points, points).square() + torch.diag(torch.full((points.shape[1],), torch.inf))
    ordered = distance.masked_fill(~mask.unsqueeze(1), torch.inf)[mask].sort(-1).values
    last, following = (ordered[ordered[:, k].isfinite()][:, i] for i in (k - 1, k))
    assert ((following - last) > 1e-5 * following).all(), "two neighbors are equally near; move the jets otherwise"
    return search(points, mask, k)


models.nearest = nearest_without_ties

def m_body(v):
    """By the peers, which read massless jets."""
    _, px, py, pz = v
    pt = np.hypot(px, py)
    jet = features.Jets(pt, np.arcsinh(pz / pt), np.arctan2(py, px), np.array([0, len(pt)]), np.zeros(1))
    return features.m_body(jet, 8)


def middle(image, side=20):
    """The pixels in the middle: the test needs no more."""
    cut = (len(image) - side) // 2
    return image[cut:-cut, cut:-cut].reshape(1, -1)


VIEWS = {
    "topodnn": (lambda v: physics_views.topodnn(v).reshape(1, 90), 90),
    "cloud": (lambda v: physics_views.pfn(v, True), 3),
    "kinematic": (physics_views.particlenet, 7),
    "m-body": (m_body, 22),
    "image-upright": (lambda v: middle(physics_views.cnn(v)), 400),
    # Brighter than the view, so that the scores differ.
    "image": (lambda v: 30 * middle(physics_views.resnext(v)), 400),
    "four-vectors": (lambda v: v.T / 100.0, 4),
    "four-vectors-gev": (lambda v: v.T, 4),
    "kt-tree": (lambda v: tree(v), 8),
}

def standardized(v):
    """The view of the Particle Transformer."""
    x = physics_views.particlenet(v)
    for column, constants in zip(x.T, features.STANDARDIZATION):
        if constants is not None:
            column[:] = np.clip((column - constants[0]) * constants[1], -5.0, 5.0)
    return np.concatenate([x, v.T[: len(x)]], 1)


def massive(v):
    """Four-vectors in units of 100 GeV with masses of about their energies, which the calorimeter does not measure: the
    invariants of massless ones are small differences of large numbers, and f32 loses what f64 keeps."""
    v = v.T / 100.0
    energy = v[:, 0] * np.hypot(1.0, 0.5 + np.arange(len(v)) * 7919 % 1009 / 1009)
    return np.concatenate([energy[:, None], v[:, 1:]], 1)


VIEWS |= {"standardized": (standardized, 11), "four-vectors-massive": (massive, 4)}

VECTORS = ("topodnn", "m-body")
"""Views that have nothing to say about an empty jet."""


def tree(v):
    """Nodes [R, 8] of the kT tree of one jet: features, and INNER or LEAF."""
    e, px, py, pz = v
    pt = np.hypot(px, py)
    jet = features.Jets(pt, np.arcsinh(pz / pt), np.arctan2(py, px), np.array([0, len(pt)]), np.array([0]))
    (nodes,) = tree_network.kt_trees(jet)
    return nodes[nodes[:, 7] != tree_network.NOTHING]


def forest(x, offsets):
    """Padded nodes [B, P, 8] by levels."""
    for b, nodes in enumerate(np.diff(offsets)):
        x[b, nodes:, 7] = tree_network.NOTHING
    return tree_network.by_levels(x)


def read(view, v):
    """Whether both sides read a jet of constituents v alike. A single massless constituent has no rest frame: its gamma,
    and the score of an LBN, is the rounding of 1 - beta^2."""
    return v.shape[1] != {"four-vectors-gev": 1}.get(view, 0 if view in VECTORS else -1)


def batch(view):
    """Rows [R, C] in f32, offsets [B + 1] and labels [B]; no vector is read of an empty jet, its image is empty."""
    compute, width = VIEWS[view]
    rows, labels = [np.zeros((0, width))], []
    nothing = np.zeros((1 if view.startswith("image") else 0, width))
    lengths = [0]
    for v, label in jets():
        if read(view, v):
            rows.append(compute(v) if v.shape[1] > 0 else nothing)
            lengths.append(len(rows[-1]))
            labels.append(label)
    return np.concatenate(rows).astype(np.float32), np.cumsum(lengths), np.array(labels)


def padded(rows, offsets, view, length):
    """[B, P, C] in f64, as the peers read it: `length` rows, or as many as the longest jet has."""
    if view.startswith("image"):
        return torch.from_numpy(rows.astype(np.float64).reshape(-1, 1, 20, 20))
    width = length or np.diff(offsets).max()
    x = np.zeros((len(offsets) - 1, width, rows.shape[1]))
    for b, (start, end) in enumerate(zip(offsets, offsets[1:])):
        kept = min(end - start, width)
        x[b, :kept] = rows[start : start + kept]
    return torch.from_numpy(x[:, 0] if width == 1 else x)


def topodnn():
    model = models.TopoDnn()
    model.net = layers.dense([90, 20, 6, 1], layers.glorot)
    return model, dense("dense", model.net)


def flow(model, n_in):
    model.phi = torch.nn.Sequential(layers.dense([n_in, 16, 20, 36], layers.he), torch.nn.ReLU())
    model.f = layers.dense([36, 16, 8, 2], layers.he)
    return model, dense("phi", model.phi[0]) | dense("f", model.f)


def particlenet(blocks, hidden):
    model = models.ParticleNet(blocks, hidden, masked=True)
    names = normalization("norm", "norm.0", model.norm)
    for i, block in enumerate(model.blocks):
        layers = [*zip(block.linears, block.norms), (block.shortcut, block.shortcut_norm)]
        for l, (linear, norm) in enumerate(layers):
            name = f"block{i}.shortcut" if linear is block.shortcut else f"block{i}.{l}"
            names[f"{name}.weight"] = linear.weight
            names |= normalization(name, f"block{i}.{l}", norm)
    model.head[2].p = 0.0
    return model, names | dense("hidden", [model.head[0]]) | dense("out", [model.head[3]])


def nsubjettiness():
    model = models.Nsubjettiness(22, (12, 8), (0.0, 0.0))
    linears = [layer for layer in model.net if isinstance(layer, torch.nn.Linear)]
    return model, {k: v for l, linear in enumerate(linears) for k, v in dense(f"dense{l}", [linear]).items()}


def cnn():
    model = convolutional.Cnn(20, ((4, 3), (5,)), (6,))
    first, second, third = [layer for layer in model.picture if isinstance(layer, torch.nn.Conv2d)]
    names = {}
    for name, layer in {"conv0.0": first, "conv0.1": second, "conv1.0": third}.items():
        names |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
    return model, names | dense("dense", model.dense)


def pcnn():
    model = convolutional.Pcnn(6, (8, 10), 12, 0.0)
    names = normalization("norm", "norm.0", model.norm)
    names |= {"stem.weight": model.stem.weight} | normalization("stem_norm", "stem_norm.0", model.stem_norm)
    for i, unit in enumerate(model.units):
        for part in ("first", "second"):
            names[f"unit{i}.{part}.weight"] = getattr(unit, part).weight
            norm = f"unit{i}.{part}_norm"
            names |= normalization(norm, f"{norm}.0", getattr(unit, f"{part}_norm"))
        if isinstance(unit.shortcut, torch.nn.Conv1d):
            names[f"unit{i}.shortcut.weight"] = unit.shortcut.weight
    return model, names | dense("hidden", [model.hidden]) | dense("out", [model.out])


def resnext():
    model = convolutional.ResNeXt(6, (4, 8), (2, 1), 2, 0.0)
    names = {"stem.weight": model.stem.weight} | normalization("stem_norm", "stem_norm.0", model.stem_norm)
    for i, block in enumerate(model.blocks):
        for part in ("reduce", "grouped", "expand", "shortcut"):
            if getattr(block, part) is None:
                continue
            names[f"block{i}.{part}.weight"] = getattr(block, part).weight
            norm = f"block{i}.{part}_norm"
            names |= normalization(norm, f"{norm}.0", getattr(block, f"{part}_norm"))
    return model, names | dense("out", [model.out])
def treenin():
    model = tree_network.TreeNin(hidden=6)
    names = {"nodes.center": model.center, "nodes.scale": model.scale}
    rows, _, _ = batch("kt-tree")
    model.prepare(torch.from_numpy(rows).unsqueeze(0))
    pairs = {f"nin_{kind}.{l}": layer for kind, pair in model.nin.items() for l, layer in enumerate(pair)}
    for name, layer in {"inner": model.inner, "leaf": model.leaf, "combine": model.combine, **pairs}.items():
        names |= {f"tree.{name}.weight": layer.weight, f"tree.{name}.bias": layer.bias}
    return model, names | dense("head", model.head)


def lola():
    model = lorentz.Lola(12, 3, (10, 6), unit=1.0)
    names = {"cola.weight": model.combine.weight, "lola.energy": model.energy}
    names |= {f"lola.{name}": w for name, w in zip(("sum0", "sum1", "minimum0", "minimum1"), model.distance)}
    return model, names | dense("dense", model.dense)


def lbn():
    model = lorentz.Lbn(10, 5, (12, 8))
    names = {"particles.weight": model.particles, "frames.weight": model.frames}
    for l, layer in enumerate(layer for layer in model.dense if isinstance(layer, torch.nn.Linear)):
        names |= dense(f"dense{l}", [layer])
    return model, names


def part():
    model = particle_transformer.ParticleTransformer((8, 12, 8), (6, 5), 2, 2, 1, 2, 0.0, masked=True)
    names = normalization("norm", "norm.0", model.norm)
    for l in range(3):
        norm, layer = model.embed[3 * l], model.embed[3 * l + 1]
        names |= affine(f"embed.{l}", norm) | linear(f"embed.{l}", layer)
    names |= normalization("pairs.input", "pairs.0", model.pairs.input_norm)
    for l, (layer, norm) in enumerate(zip(model.pairs.linears, model.pairs.norms)):
        names |= linear(f"pairs.{l}", layer) | normalization(f"pairs.{l}", f"pairs.{l + 1}", norm)
    for i, block in enumerate(model.blocks):
        names |= affine(f"block{i}.qkv.0", block.norm) | linear(f"block{i}.qkv.0", block.qkv)
        names |= feed(f"block{i}", block.feed)
    names["token.value"] = model.token
    for i, block in enumerate(model.class_blocks):
        names |= dense(f"class{i}.q", [block.q])
        names |= affine(f"class{i}.kv.0", block.norm) | linear(f"class{i}.kv.0", block.kv)
        names |= feed(f"class{i}", block.feed)
    return model, names | affine("head.0", model.head_norm) | linear("head.0", model.head)


def feed(name, feed):
    names = linear(f"{name}.out.0", feed.project) | {f"{name}.out.1.scale": feed.scale}
    names |= affine(f"{name}.out.1", feed.attention_norm) | affine(f"{name}.feed.0", feed.input_norm)
    names |= linear(f"{name}.feed.0", feed.first) | affine(f"{name}.feed.1", feed.hidden_norm)
    return names | linear(f"{name}.feed.1", feed.second) | {f"{name}.feed.residual": feed.residual}


def lorentz_edges():
    model = lorentznet.LorentzNet(7, 3, 5e-3, 0.0)
    names = dense("embed", [model.embed])
    for i, block in enumerate(model.blocks):
        edge = f"block{i}.edge"
        names[f"{edge}.0.weight"] = block.first.weight
        names |= normalization(f"{edge}.0", f"{edge}.0", block.norm)
        names |= linear(f"{edge}.1", block.second) | linear(f"{edge}.gate", block.gate)
        if block.move_first is not None:
            names |= linear(f"{edge}.move.0", block.move_first) | {f"{edge}.move.1.weight": block.move_second.weight}
        names |= dense(f"block{i}.first", [block.node_first]) | dense(f"block{i}.second", [block.node_second])
        names |= normalization(f"block{i}.norm", f"block{i}.norm.0", block.node_norm)
    return model, names | dense("hidden", [model.hidden]) | dense("out", [model.out])


def linear(name, layer):
    return {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}


def affine(name, norm):
    return {f"{name}.gamma": norm.weight, f"{name}.beta": norm.bias}


def dense(name, layers):
    linears = [layer for layer in layers if isinstance(layer, torch.nn.Linear)]
    return {f"{name}.{l}.{kind}": getattr(linear, kind) for l, linear in enumerate(linears) for kind in ("weight", "bias")}


def normalization(name, running, norm):
    return {f"{name}.gamma": norm.weight, f"{name}.beta": norm.bias,
            f"{running}.running_mean": norm.running_mean, f"{running}.running_variance": norm.running_var}


CASES = {
    "topodnn": (topodnn, "topodnn", None),
    "efn": (lambda: flow(models.Efn(masked=True), 2), "cloud", None),
    "pfn": (lambda: flow(models.Pfn(masked=True), 3), "cloud", None),
    "particlenet": (lambda: particlenet([(3, (8, 8)), (5, (12, 37))], 10), "kinematic", None),
    "particlenet-lite": (lambda: particlenet([(7, (32,) * 3), (7, (64,) * 3)], 128), "kinematic", None),
    "nsub8": (nsubjettiness, "m-body", None),
    "cnn": (cnn, "image-upright", None),
    "pcnn": (pcnn, "kinematic", 39),
    "resnext": (resnext, "image", None),
    "part": (part, "standardized", None),
    "lorentznet": (lorentz_edges, "four-vectors-massive", None),
    "treenin": (treenin, "kt-tree", None),
    "lola": (lola, "four-vectors", None),
    "lbn": (lbn, "four-vectors-gev", None),
}
"""Network, view, and rows that it is padded to: P-CNN sees its padding."""


def start(build):
    """The network with its weights and statistics drawn, rounded to f32 so that both sides start from the same."""
    model, names = build()
    draws = np.random.default_rng(20)
    ranges = {"gamma": (-0.5, 1.5), "running_mean": (-0.5, 0.5), "running_variance": (0.5, 2.0)}
    for name, tensor in names.items():
        if name in ("nodes.center", "nodes.scale"):
            tensor.copy_(tensor.float())
            continue
        bound = (6.0 / sum(tensor.shape)) ** 0.5 if name.endswith("weight") else 0.3
        low, high = ranges.get(name.split(".")[-1], (-bound, bound))
        drawn = draws.uniform(low, high, tuple(tensor.shape)).astype(np.float32)
        tensor.data.copy_(torch.from_numpy(drawn))
    return model, names


def values(prefix, tensors):
    """In our shapes: a linear layer of PyTorch holds [out, in], a convolution [out, in, kernel], and we hold
    [kernel * in, out]. The weights of LoLa are [out, in] here too."""
    arrays = {name: tensor.detach().numpy().astype(np.float32) for name, tensor in tensors.items()}

    def ours(name, v):
        if v.ndim > 2:
            v = np.moveaxis(v.reshape(*v.shape[:2], -1), 2, 0).transpose(0, 2, 1).reshape(-1, v.shape[0])
            return np.ascontiguousarray(v)
        return np.ascontiguousarray(v.T if v.ndim == 2 and not name.startswith("lola.") else v)

    return {prefix + name: ours(name, v) for name, v in arrays.items()}


def log_odds(model, x):
    with torch.no_grad():
        logits = model.eval()(x)
    odds = logits[:, 0] if logits.shape[1] == 1 else logits[:, 1] - logits[:, 0]
    return odds.numpy().astype(np.float32)


def step(build, x, labels, **settings):
    """Model, tensors by name and loss after one step of Adam; gradients stay with the tensors."""
    model, names = start(build)
    loss = models.loss(model.train()(x), labels)
    loss.backward()
    torch.optim.Adam(model.parameters(), **settings).step()
    return model, names, loss.item()


def main():
    for name, (build, view, length) in CASES.items():
        rows, offsets, labels = batch(view)
        x, y = padded(rows, offsets, view, length), torch.from_numpy(labels)
        x = forest(x, offsets) if view == "kt-tree" else x
        model, names = start(build)
        weights = values("", names)
        expected = {"rows": rows, "offsets": offsets, "labels": labels}
        if view == "kt-tree":
            expected |= {"rows": np.ascontiguousarray(rows[:, :7]), "inner": rows[:, 7]}
        expected = {key: array.astype(np.float32) for key, array in expected.items()}
        expected["log_odds"] = log_odds(model, x)
        smooth, _, loss = step(build, x, y, lr=1.0, eps=1.0)
        expected["loss"] = np.array([loss], dtype=np.float32)
        expected["smooth.log_odds"] = log_odds(smooth, x)
        if name != "particlenet-lite":
            _, moved, _ = step(build, x, y, lr=1e-3)
            gradients = {key: t.grad for key, t in moved.items() if t.grad is not None}
            expected |= values("gradient.", gradients) | values("adam.", moved)
        folder = HERE / "data" / "taggers_forward" / name
        folder.mkdir(parents=True, exist_ok=True)
        save_file(weights, folder / "weights.safetensors")
        save_file(expected, folder / "expected.safetensors")
        print(f"{name:<18}{loss:.4f}  {np.array2string(expected['log_odds'], precision=3, max_line_width=200)}")


if __name__ == "__main__":
    main()
