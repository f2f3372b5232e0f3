"""Trains the parametric networks of arXiv:1601.07913 and arXiv:2202.00424 in PyTorch; AUC of each mass as JSON.

    python peers/parametric.py --train train.csv.gz --test test.csv.gz --method affine --place all \
        --epochs 25 --seeds 1,2,3 --threads 2 --out parametric.json

The files have the layout of HEPMASS: label, f0 .. f26, mass. What `tagwerk parametric train` does by default is done
here with other means: a quarter of each class validates, features are standardized on the training events, background
gets a mass of the signal's list anew in each batch, Adam at 5e-4 with epsilon 1e-7, batches of 1,024, dropout 0.25, L2
1e-5 on dense weights and 1e-6 on biases, scales that start at 1 and shifts at 0, and the best epoch is that of the
highest mean validation AUC over the masses, with every background event at every mass.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

import memory

HIDDEN = (300, 150, 100, 50)


class Condition(nn.Module):
    """x (m W_s + c_s) + (m W_b + c_b), or a half of it."""

    def __init__(self, method: str, width: int) -> None:
        super().__init__()
        self.scale = nn.Linear(1, width) if method in ("scaling", "affine") else None
        self.shift = nn.Linear(1, width) if method in ("biasing", "affine") else None
        for linear, start in ((self.scale, 1.0), (self.shift, 0.0)):
            if linear is not None:
                nn.init.zeros_(linear.weight)
                nn.init.constant_(linear.bias, start)

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        if self.scale is not None:
            x = x * self.scale(m)
        return x if self.shift is None else x + self.shift(m)


class Parametric(nn.Module):
    """Dense network with a hypothesis; one logit."""

    def __init__(self, features: int, method: str, place: str, dropout: float) -> None:
        super().__init__()
        self.method, self.place = method, place
        concat = method == "concat"
        self.first = Condition(method, features) if not concat and method != "none" and place == "start" else None
        width = features + (concat and place == "start")
        self.dense, self.conditions = nn.ModuleList(), nn.ModuleList()
        for i, hidden in enumerate(HIDDEN):
            self.dense.append(nn.Linear(width, hidden))
            here = method != "none" and (place == "all" or (place == "end" and i + 1 == len(HIDDEN)))
            self.conditions.append(Condition(method, hidden) if here and not concat else nn.Identity())
            width = hidden + (concat and here)
        self.output = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)
        for linear in (*self.dense, self.output):
            nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu")
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, m: Tensor) -> Tensor:
        if self.place == "start" and self.method == "concat":
            x = torch.cat((x, m), 1)
        if self.first is not None:
            x = self.first(x, m)
        for i, (dense, condition) in enumerate(zip(self.dense, self.conditions, strict=True)):
            x = torch.relu(dense(x))
            last = self.place == "end"
            if last:
                x = self.dropout(x)
            if isinstance(condition, Condition):
                x = condition(x, m)
            elif self.method == "concat" and (self.place == "all" or (last and i + 1 == len(HIDDEN))):
                x = torch.cat((x, m), 1)
            if not last:
                x = self.dropout(x)
        return self.output(x)[:, 0]

    def decay(self) -> Tensor:
        """1e-5 sum w^2 over dense weights and 1e-6 over dense biases."""
        layers = (*self.dense, self.output)
        return sum(1e-5 * layer.weight.square().sum() + 1e-6 * layer.bias.square().sum() for layer in layers)


def read(path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, labels and masses of a file."""
    table = pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path)
    table = table.rename(columns={table.columns[0]: "label"})
    features = [c for c in table.columns if c[0] == "f" and c[1:].isdigit()]
    masses = table["mass"].to_numpy(np.float32).round(1)
    return table[features].to_numpy(np.float32), table["label"].to_numpy(np.float32), masses


@torch.inference_mode()
def aucs(model: Parametric, x: Tensor, y: np.ndarray, masses: np.ndarray, points: np.ndarray) -> list[float]:
    """AUC of the signal of each mass against all background."""
    model.eval()
    found = []
    for mass in points:
        rows = np.flatnonzero((y == 0) | (masses == mass))
        m = torch.full((len(rows), 1), float(mass) / 1000)
        scores = torch.cat([model(a, b) for a, b in zip(x[rows].split(8192), m.split(8192), strict=True)])
        found.append(float(roc_auc_score(y[rows], scores.numpy())))
    return found


def train(a: argparse.Namespace, seed: int, data: dict[str, Any]) -> dict[str, Any]:
    """One training."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    x, y, masses, points = data["x"], data["y"], data["masses"], data["points"]
    model = Parametric(x.shape[1], a.method, a.place, a.dropout)
    optimizer = torch.optim.Adam(model.parameters(), lr=a.lr, eps=1e-7, fused=True)
    chosen, validation = data["training"], data["validation"]
    best, state, seconds, epoch_of_best = -1.0, None, [], 0
    for epoch in range(a.epochs):
        model.train()
        begin = time.perf_counter()
        order = rng.permutation(chosen)
        for rows in np.array_split(order, range(a.batch, len(order), a.batch)):
            m = np.where(y[rows] > 0.5, masses[rows], rng.choice(points, len(rows)))
            m = torch.from_numpy((m / 1000).astype(np.float32)[:, None])
            optimizer.zero_grad(set_to_none=True)
            labels = torch.from_numpy(y[rows])
            logits = model(x[rows], m)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels) + model.decay()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - begin)
        value = statistics.mean(aucs(model, x[validation], y[validation], masses[validation], points))
        if value > best:
            best, state, epoch_of_best = value, copy.deepcopy(model.state_dict()), epoch + 1
    model.load_state_dict(state)
    test = aucs(model, data["test_x"], data["test_y"], data["test_masses"], data["test_points"])
    return {
        "seed": seed,
        "auc": dict(zip(map(float, data["test_points"]), test, strict=True)),
        "mean": statistics.mean(test),
        "best_epoch": epoch_of_best,
        "parameters": sum(p.numel() for p in model.parameters()),
        "epoch_seconds": statistics.median(seconds),
        "fastest_epoch_seconds": min(seconds),
    }


def load(a: argparse.Namespace) -> dict[str, Any]:
    """Events, divided and standardized."""
    x, y, masses = read(a.train)
    test_x, test_y, test_masses = read(a.test)
    rng = np.random.default_rng(0)
    training, validation = [], []
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(y == label))
        cut = len(rows) - int(np.ceil(0.25 * len(rows)))
        training.append(rows[:cut])
        validation.append(rows[cut:])
    training, validation = np.concatenate(training), np.concatenate(validation)
    if a.split:
        # The events that validate a run of Tagwerk: its scores-validation.parquet names their rows.
        rows = np.unique(pd.read_parquet(a.split, columns=["row"])["row"].to_numpy().astype(np.int64))
        training, validation = np.setdiff1d(np.arange(len(y)), rows), rows
    if a.masses:
        kept = [float(m) for m in a.masses.split(",")]
        training, validation = ([r for r in rows if y[r] == 0 or masses[r] in kept] for rows in (training, validation))
        training, validation = np.array(training), np.array(validation)
    mean, deviation = x[training].mean(0, dtype=np.float64), x[training].std(0, dtype=np.float64)
    deviation[deviation == 0] = 1

    def scaled(v: np.ndarray) -> Tensor:
        return torch.from_numpy(((v - mean) / deviation).astype(np.float32))

    points = np.unique(masses[training][y[training] == 1])
    return {
        "x": scaled(x),
        "y": y,
        "masses": masses,
        "points": points,
        "training": training,
        "validation": validation,
        "test_x": scaled(test_x),
        "test_y": test_y,
        "test_masses": test_masses,
        "test_points": np.unique(test_masses[test_y == 1]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--method", default="affine", choices=("none", "concat", "biasing", "scaling", "affine"))
    parser.add_argument("--place", default="all", choices=("start", "all", "end"))
    parser.add_argument("--split", help="score file of validation events (column row) that shall validate here too")
    parser.add_argument("--masses", help="masses to train on, separated by commas")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--lr", type=float, default=5e-4)
    parser.add_argument("--dropout", type=float, default=0.25)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    data = load(a)
    runs = [train(a, int(seed), data) for seed in a.seeds.split(",")]
    points = [float(p) for p in data["test_points"]]
    result = {
        "method": a.method,
        "place": a.place,
        "runs": runs,
        "masses": [{"mass": p, "auc_roc": statistics.mean(r["auc"][p] for r in runs)} for p in points],
        "mean": statistics.mean(r["mean"] for r in runs),
        "epoch_seconds": statistics.median(r["epoch_seconds"] for r in runs),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if a.out:
        a.out.write_text(text + "\n")


if __name__ == "__main__":
    memory.keep_freed_memory()
    main()
