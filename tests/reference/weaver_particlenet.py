"""State dicts of ParticleNet as weaver-core names and shapes them, and their scores, by PyTorch.

    python tests/reference/weaver_particlenet.py [--full FOLDER]

Needs numpy, pyarrow and torch. The network is written here from the paper (arXiv:1902.08570) and from what weaver-core
does beside it: jets padded to 128, padding far away in every space of points, so that jets of fewer than k + 1
constituents have neighbors of zeros; means over k neighbors; standardized features in weaver's order. Parameters bear
weaver's names. Weights, normalizations and running statistics are random.

Jets are those of `samples/top_sample.parquet`, some cut to few constituents, their directions moved by up to 0.001 so
that no two neighbors are equally far apart (which of them enters would be each implementation's own choice). Scores are
computed in f64 from the f32 columns that are written; the difference of the same network in f32 is printed.

Writes data/weaver_particlenet/:

  jets.parquet           the jets; four-momenta and labels
  types.pt               tensors of every type and layout that is read, under `state_dict`
  NAME.pt                state dicts, see CASES
  NAME.preprocess.json   as weaver writes it beside an exported model, for the cases that need one
  scores.parquet         logits of every case with scores, one column each: a list a jet

With --full the published sizes (370,156 parameters for 17 features and ten classes) are written to FOLDER instead, to be
compared by hand.
"""

import json
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

HERE = Path(__file__).parent
OUT = HERE / "data" / "weaver_particlenet"
LENGTH = 128
FAR = 1e9

KEEP = [1, 2, 3, 16, 17, 5] + [None] * 34
"""How many constituents are kept of each jet; the last of the 40 is cut behind 128 anyway, if it has more."""

KIN = ["part_pt_log", "part_e_log", "part_logptrel", "part_logerel", "part_deltaR", "part_deta", "part_dphi"]
SCALE = {"part_pt_log": (1.7, 0.7), "part_e_log": (2.0, 0.7), "part_logptrel": (-4.7, 0.7), "part_logerel": (-4.7, 0.7),
         "part_deltaR": (0.2, 4.0)}


class EdgeConv(nn.Module):
    def __init__(self, k, n_in, widths):
        super().__init__()
        self.k = k
        sizes = [2 * n_in, *widths]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 1, bias=False) for a, b in zip(sizes, widths))
        self.bns = nn.ModuleList(nn.BatchNorm2d(b) for b in widths)
        if n_in != widths[-1]:
            self.sc = nn.Conv1d(n_in, widths[-1], 1, bias=False)
            self.sc_bn = nn.BatchNorm1d(widths[-1])

    def forward(self, points, x):
        """points [B, D, P], x [B, C, P] -> [B, C', P]"""
        distance = torch.cdist(points.mT, points.mT)
        near = distance.topk(self.k + 1, largest=False).indices[:, :, 1:]  # the nearest is the point itself
        other = torch.stack([jet[:, index] for jet, index in zip(x, near)])  # [B, C, P, K]
        own = x.unsqueeze(-1).expand_as(other)
        edge = torch.cat([own, other - own], 1)
        for conv, norm in zip(self.convs, self.bns):
            edge = norm(conv(edge)).relu()
        around = self.sc_bn(self.sc(x)) if hasattr(self, "sc") else x
        return (around + edge.mean(-1)).relu()


class ParticleNet(nn.Module):
    def __init__(self, features, classes, blocks, hidden, fusion=None, norm=True):
        super().__init__()
        if norm:
            self.bn_fts = nn.BatchNorm1d(features)
        inputs = [features] + [widths[-1] for _, widths in blocks]
        self.edge_convs = nn.ModuleList(EdgeConv(k, n, widths) for n, (k, widths) in zip(inputs, blocks))
        if fusion:
            self.fusion_block = nn.Sequential(nn.Conv1d(sum(inputs[1:]), fusion, 1, bias=False), nn.BatchNorm1d(fusion), nn.ReLU())
        self.fc = nn.Sequential(
            nn.Sequential(nn.Linear(fusion or inputs[-1], hidden), nn.ReLU(), nn.Dropout(0.1)), nn.Linear(hidden, classes))

    def forward(self, points, features, mask):
        """points [B, 2, P], features [B, F, P], mask [B, 1, P] -> logits [B, classes]"""
        shift = (1 - mask) * FAR
        points, x = points * mask, features * mask
        if hasattr(self, "bn_fts"):
            x = self.bn_fts(x) * mask
        outputs = []
        for block in self.edge_convs:
            x = block(points + shift, x) * mask
            points = x
            outputs.append(x)
        if hasattr(self, "fusion_block"):
            x = self.fusion_block(torch.cat(outputs, 1)) * mask
        return self.fc(x.sum(-1) / mask.sum(-1).clamp(min=1))


class Wrapped(nn.Module):
    """The wrapper of the public examples: every name begins with `mod.`."""

    def __init__(self, mod):
        super().__init__()
        self.mod = mod


def randomize(model, seed):
    draws = torch.Generator().manual_seed(seed)
    uniform = lambda like, low, high: torch.rand(like.shape, generator=draws) * (high - low) + low
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.weight.data = uniform(module.weight, 0.5, 1.5) * torch.where(uniform(module.weight, 0, 1) < 0.2, -1.0, 1.0)
            module.bias.data = uniform(module.bias, -0.3, 0.3)
            module.running_mean = uniform(module.running_mean, -0.5, 0.5)
            module.running_var = uniform(module.running_var, 0.3, 1.5)
            module.num_batches_tracked += 1000
        elif isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)):
            bound = (6 / (module.weight.shape[0] + module.weight.shape[1])) ** 0.5
            module.weight.data = uniform(module.weight, -bound, bound)
            if module.bias is not None:
                module.bias.data = uniform(module.bias, -0.2, 0.2)
    return model.eval()


def jets(count):
    table = pq.read_table(HERE.parent.parent / "samples" / "top_sample.parquet").slice(0, count).to_pydict()
    draws = np.random.default_rng(5)
    for row in range(count):
        keep = KEEP[row] if row < len(KEEP) else None
        pt, eta, phi = (np.array(table[f"constituent_{c}"][row], dtype=np.float64)[:keep] for c in ("pt", "eta", "phi"))
        eta, phi = (angle + draws.uniform(-1e-3, 1e-3, len(pt)) for angle in (eta, phi))
        vectors = np.stack([pt * np.cosh(eta) * 1.001, pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
        yield vectors.astype(np.float32), table["label"][row]


def kinematics(vectors):
    """The columns of weaver's data configuration for top tagging, of one jet."""
    e, px, py, pz = vectors.astype(np.float64)
    jet_e, jet_px, jet_py, jet_pz = vectors.astype(np.float64).sum(1)
    pt, jet_pt = np.hypot(px, py), np.hypot(jet_px, jet_py)
    jet_eta = np.arcsinh(jet_pz / jet_pt)
    deta = (np.arcsinh(pz / pt) - jet_eta) * (1 if jet_eta >= 0 else -1)
    dphi = (np.arctan2(py, px) - np.arctan2(jet_py, jet_px) + np.pi) % (2 * np.pi) - np.pi
    return {"part_pt_log": np.log(pt), "part_e_log": np.log(e), "part_logptrel": np.log(pt / jet_pt),
            "part_logerel": np.log(e / jet_e), "part_deltaR": np.hypot(deta, dphi), "part_deta": deta, "part_dphi": dphi}


def batch(all_jets, names, scale, length=LENGTH):
    """points, features, mask as the network reads them"""
    features = np.zeros((len(all_jets), len(names), length))
    points, mask = np.zeros((len(all_jets), 2, length)), np.zeros((len(all_jets), 1, length))
    for b, (vectors, _) in enumerate(all_jets):
        columns = kinematics(vectors)
        for name, (center, factor, low, high) in scale.items():
            columns[name] = np.clip((columns[name] - center) * factor, low, high)
        n = min(vectors.shape[1], length)
        features[b, :, :n] = np.stack([columns[name] for name in names])[:, :n]
        points[b, :, :n] = np.stack([columns["part_deta"], columns["part_dphi"]])[:, :n]
        mask[b, :, :n] = 1
    return [torch.tensor(x) for x in (points, features, mask)]


def preprocess(names, scale, length, classes):
    infos = lambda group: {
        "var_names": group,
        "var_infos": {
            name: {"median": scale.get(name, (0, 1))[0], "norm_factor": scale.get(name, (0, 1))[1], "replace_inf_value": 0,
                   "lower_bound": scale.get(name, (0, 1, -1e32))[2], "upper_bound": scale.get(name, (0, 1, -1e32, 1e32))[3],
                   "pad": 0}
            for name in group
        },
        "var_length": length,
    }
    return {"output_names": classes, "input_names": ["pf_points", "pf_features", "pf_vectors", "pf_mask"],
            "pf_points": infos(["part_deta", "part_dphi"]), "pf_features": infos(names),
            "pf_vectors": infos(["part_px", "part_py", "part_pz", "part_energy"]), "pf_mask": infos(["part_mask"])}


CUT = {name: (*pair, -5, 5) for name, pair in SCALE.items()}

CASES = {
    # The published kinematic variant, narrow; names with `mod.`, f32.
    "kin": dict(model=dict(features=7, classes=2, blocks=[(16, [8, 8, 8]), (16, [12, 12, 12]), (16, [16, 16, 16])], hidden=16),
                names=KIN, scale=CUT),
    # Everything else: bare names, f64, ten classes, features in another order with other constants (the points too), 64
    # constituents, fusion, a block that keeps its channels, no normalization of the features, a fine-tuned output.
    "general": dict(model=dict(features=7, classes=10, blocks=[(7, [6, 7]), (7, [10])], hidden=9, fusion=11, norm=False),
                    names=["part_deta", "part_logptrel", "part_dphi", "part_e_log", "part_deltaR", "part_logerel", "part_pt_log"],
                    scale={**CUT, "part_deta": (0.01, 3.0, -2, 2), "part_dphi": (-0.02, 2.0, -2, 2), "part_pt_log": (2.0, 0.5, -1, 1.5)},
                    length=64, wrapped=False),
    # Published with particle identities: to be refused, no scores.
    "kinpid": dict(model=dict(features=13, classes=10, blocks=[(16, [4, 4])], hidden=4), names=None),
}


def save(model, case, path):
    state = (Wrapped(model) if case.get("wrapped", True) else model.double()).state_dict()
    if not case.get("wrapped", True):
        state = OrderedDict((name.replace("fc.1.", "fc_out."), values) for name, values in state.items())
    torch.save(state, path)


def logits(model, inputs, dtype):
    model = model.to(dtype)
    with torch.no_grad():
        return model(*(x.to(dtype) for x in inputs)).double()


def write_types():
    ramp = torch.arange(6).reshape(2, 3) * 0.5 - 1
    base = torch.arange(8) * 0.5 - 1
    tensors = OrderedDict(
        f32=ramp, f64=ramp.double(), f16=ramp.half(), i64=torch.tensor([-1, 0, 1 << 40]), transposed=ramp.T,
        slice=base[1:6:3], single=torch.tensor(7), empty=torch.zeros(0, 4))
    torch.save({"epoch": 3, "state_dict": tensors, "loss": 0.25, "note": None}, OUT / "types.pt")


def full(folder):
    folder.mkdir(parents=True, exist_ok=True)
    published = [(16, [64] * 3), (16, [128] * 3), (16, [256] * 3)]
    for name, features in (("full-kin", 7), ("full-kinpid", 13), ("full-full", 17)):
        model = randomize(ParticleNet(features, 10, published, 256), features)
        print(name, sum(p.numel() for p in model.parameters()), "parameters")
        torch.save(Wrapped(model).state_dict(), folder / f"{name}.pt")
    model = randomize(ParticleNet(7, 10, published, 256), 7)
    chosen = list(jets(500))
    write_jets(chosen, folder / "jets.parquet")
    scores = []
    for start in range(0, len(chosen), 50):
        inputs = batch(chosen[start : start + 50], KIN, CUT)
        single, double = logits(model, inputs, torch.float32), logits(model, inputs, torch.float64)
        scores.append(torch.stack([double, single], 1))
    scores = torch.cat(scores).numpy()
    np.save(folder / "logits.npy", scores)  # [jets, (f64, f32), classes]
    odds = scores[:, :, 8] - scores[:, :, 0]
    print("f32 against f64, log-odds of class 8 to 0: largest difference", np.abs(odds[:, 0] - odds[:, 1]).max())


def write_jets(chosen, path):
    columns = {name: [jet[i] for jet, _ in chosen] for i, name in enumerate(("constituent_e", "constituent_px", "constituent_py", "constituent_pz"))}
    table = {"label": pa.array([label for _, label in chosen], pa.int8())}
    table |= {name: pa.array(values, pa.list_(pa.float32())) for name, values in columns.items()}
    pq.write_table(pa.table(table), path, compression="zstd")


def main():
    if "--full" in sys.argv:
        return full(Path(sys.argv[sys.argv.index("--full") + 1]))
    OUT.mkdir(exist_ok=True)
    write_types()
    chosen = list(jets(len(KEEP)))
    write_jets(chosen, OUT / "jets.parquet")
    table = {}
    for seed, (name, case) in enumerate(CASES.items()):
        model = randomize(ParticleNet(**case["model"]), seed)
        if case["names"] is None:
            save(model, case, OUT / f"{name}.pt")
            continue
        inputs = batch(chosen, case["names"], case["scale"], case.get("length", LENGTH))
        single, double = logits(model, inputs, torch.float32), logits(model, inputs, torch.float64)
        print(name, "f32 against f64: largest difference of a logit", (single - double).abs().max().item(), "of", double.abs().max().item())
        table[name] = list(double.numpy())
        save(model.float(), case, OUT / f"{name}.pt")
        if name == "general":
            classes = [f"label_{i}" for i in range(10)]
            text = json.dumps(preprocess(case["names"], case["scale"], case["length"], classes), indent=2)
            (OUT / f"{name}.preprocess.json").write_text(text + "\n")
    pq.write_table(pa.table(table), OUT / "scores.parquet", compression="zstd")
    for path in sorted(OUT.iterdir()):
        print(path.stat().st_size, path.name)


if __name__ == "__main__":
    main()
