"""Trains a reference tagger with several seeds and reports its test figures as JSON.

    python peers/train.py --data jets.parquet --tagger pfn --jets 20000 --epochs 12 --seeds 1,2,3 --out pfn.json

Rows [0, 60 %) of the file train, [60, 80) validate, [80, 100) test; `--jets` takes the first rows of the
training part. Adam; the epoch with the best validation loss (or accuracy) gives the test scores. The state
is written after every epoch beside the result: a stopped run, started again with the same settings,
continues, and on the same machine ends with the same numbers.

Files, for `--out pfn.json`: `pfn.json`; `pfn.seed1.pt` the state; `pfn.seed1.npy` the test scores in the
order of the file; `pfn.labels.npy` their labels.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn

import features
import memory
import metrics
import models

Part = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Settings:
    """What determines the numbers of a run; a state is continued only under equal settings."""

    tagger: str
    data: str
    jets: int
    val_jets: int
    test_jets: int
    epochs: int
    batch: int
    lr: float
    schedule: str
    keep: str
    masked: bool
    threads: int


def constant(progress: float) -> float:
    """The learning rate stays."""
    return 1.0


def step(progress: float) -> float:
    """A tenth after a third of the training, a hundredth after two thirds (ParticleNet's public demonstration)."""
    return 0.1 ** min(int(3.0 * progress + 1e-9), 2)


def one_cycle(progress: float) -> float:
    """From a tenth up to 1 over 40 % of the training, back over 40 %, down to 1/6000 in the rest (arXiv:1902.08570)."""
    return float(np.interp(progress, [0.0, 0.4, 0.8, 1.0], [0.1, 1.0, 0.1, 1.0 / 6000.0]))


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "step": step, "one-cycle": one_cycle}
"""Factor on the learning rate as a function of the finished share of all steps."""


def load_parts(settings: Settings) -> dict[str, Part]:
    """Features and labels of the three parts."""
    jets = features.read_jets(settings.data)
    limits = {"train": settings.jets, "val": settings.val_jets, "test": settings.test_jets}
    parts = {}
    for name, (start, stop) in features.split(len(jets)).items():
        part = jets.slice(start, min(stop, start + (limits[name] or len(jets))))
        view = features.compute(models.TAGGERS[settings.tagger].view, part)
        parts[name] = (torch.from_numpy(view), torch.from_numpy(part.labels))
    return parts


@torch.inference_mode()
def evaluate(
    model: nn.Module, part: Part, collate: Callable[[Tensor], Any], batch: int = 512
) -> tuple[Tensor, float, float]:
    """Scores [B], mean loss and accuracy of a part."""
    model.eval()
    features_, labels = part
    logits = torch.cat([model(collate(x)) for x in features_.split(batch)])
    scores = models.score(logits)
    accuracy = (scores.round() == labels).double().mean().item()
    return scores, models.loss(logits.double(), labels).item(), accuracy


def train_epoch(
    model: nn.Module, optimizer: torch.optim.Optimizer, part: Part, settings: Settings, seed: int, epoch: int
) -> float:
    """One pass over the training part in an order that (seed, epoch) determines; returns the mean loss."""
    model.train()
    torch.manual_seed(seed * 100_003 + epoch)  # order and dropout: a continued run draws what it would have drawn
    features_, labels = part
    collate = models.TAGGERS[settings.tagger].collate
    order = torch.randperm(len(labels))
    schedule = SCHEDULES[settings.schedule]
    total = 0.0
    for start in range(0, len(order), settings.batch):
        progress = (epoch + start / len(order)) / settings.epochs
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * schedule(progress)
        chosen = order[start : start + settings.batch]
        optimizer.zero_grad(set_to_none=True)
        loss = models.loss(model(collate(features_[chosen])), labels[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    mean = total / len(order)
    if not np.isfinite(mean):
        raise RuntimeError(f"{settings.tagger}, seed {seed}, epoch {epoch + 1}: the loss is {mean}")
    return mean


def train_seed(settings: Settings, seed: int, parts: dict[str, Part], out: Path) -> dict[str, Any]:
    """Trains one seed, or continues it, and returns its entry of the result."""
    state_path = out.with_suffix(f".seed{seed}.pt")
    torch.manual_seed(seed)
    model = models.build(settings.tagger, settings.masked)
    optimizer = models.adam(model, settings.lr)
    collate = models.TAGGERS[settings.tagger].collate
    if hasattr(model, "prepare"):
        model.prepare(parts["train"][0])
    state: dict[str, Any] = {"settings": asdict(settings), "history": [], "best": None, "best_epoch": 0, "seconds": 0.0}
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        if state["settings"] != asdict(settings):
            raise SystemExit(f"{state_path} has other settings, choose another --out: {state['settings']}")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    for epoch in range(len(state["history"]), settings.epochs):
        begin = time.perf_counter()
        train_loss = train_epoch(model, optimizer, parts["train"], settings, seed, epoch)
        middle = time.perf_counter()
        _, val_loss, val_accuracy = evaluate(model, parts["val"], collate)
        end = time.perf_counter()
        entry = {
            "epoch": epoch + 1,
            "train_loss": train_loss,
            "val_loss": val_loss,
            "val_accuracy": val_accuracy,
            "train_seconds": middle - begin,
            "val_seconds": end - middle,
        }
        state["history"].append(entry)
        state["seconds"] += end - begin
        if _rank(entry, settings.keep) >= max(_rank(e, settings.keep) for e in state["history"]):
            state["best"] = {name: value.clone() for name, value in model.state_dict().items()}
            state["best_epoch"] = epoch + 1
        state["model"], state["optimizer"] = model.state_dict(), optimizer.state_dict()
        _replace(state_path, lambda file: torch.save(state, file))
        print(f"{settings.tagger} seed {seed} epoch {epoch + 1}/{settings.epochs}: train {train_loss:.4f}, "
              f"validation {val_loss:.4f}, accuracy {val_accuracy:.4f}, {end - begin:.1f} s", flush=True)  # fmt: skip
    model.load_state_dict(state["best"])
    begin = time.perf_counter()
    scores, _, _ = evaluate(model, parts["test"], collate)
    test_seconds = time.perf_counter() - begin
    _replace(out.with_suffix(f".seed{seed}.npy"), lambda file: np.save(file, scores.numpy()))
    return {
        "seed": seed,
        **metrics.figures(scores.numpy(), parts["test"][1].numpy()),
        "epochs": len(state["history"]),
        "best_epoch": state["best_epoch"],
        "seconds": state["seconds"],
        "test_seconds": test_seconds,
        "history": state["history"],
    }


def run(settings: Settings, seeds: list[int], out: Path) -> None:
    """All seeds; the result file is complete after each of them."""
    memory.keep_freed_memory()
    torch.set_num_threads(settings.threads)
    torch.set_num_interop_threads(1)
    out.parent.mkdir(parents=True, exist_ok=True)
    parts = load_parts(settings)
    _replace(out.with_suffix(".labels.npy"), lambda file: np.save(file, parts["test"][1].numpy()))
    trainings = []
    for seed in seeds:
        training = train_seed(settings, seed, parts, out)
        trainings.append(training)
        result = {
            "framework": f"PyTorch {torch.__version__}",
            "tagger": settings.tagger,
            "parameters": models.TAGGERS[settings.tagger].parameters,
            "rows": {name: len(labels) for name, (_, labels) in parts.items()},
            "settings": asdict(settings),
            "trainings": trainings,
        }
        _replace(out, partial(_write_json, result))
        rejection = training["rejection_30"]
        shown = "{value:.0f} +- {test_error:.0f}".format(**rejection) if rejection["value"] else "no background left"
        print(f"{settings.tagger} seed {seed}: AUC {training['auc']:.4f}, accuracy {training['accuracy']:.4f}, "
              f"rejection at 0.3: {shown} (test sample), best epoch {training['best_epoch']}", flush=True)  # fmt: skip


def _rank(entry: dict[str, float], keep: str) -> float:
    """Larger is better."""
    return entry["val_accuracy"] if keep == "accuracy" else -entry["val_loss"]


def _write_json(value: Any, file: BinaryIO) -> None:
    file.write(json.dumps(value, indent=1).encode())


def _replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes beside the path and renames, so that the path never holds half a file."""
    beside = path.with_name(path.name + ".tmp")
    with beside.open("wb") as file:
        write(file)
    os.replace(beside, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="Parquet file of jets")
    parser.add_argument("--tagger", required=True, choices=models.TAGGERS)
    parser.add_argument("--jets", type=int, default=0, help="training jets, 0: all of the training part")
    parser.add_argument("--val-jets", type=int, default=0, help="validation jets, 0: all")
    parser.add_argument("--test-jets", type=int, default=0, help="test jets, 0: all")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", default="1", help="comma-separated")
    parser.add_argument("--batch", type=int, default=0, help="jets a step, 0: the tagger's own")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--schedule", default="constant", choices=SCHEDULES)
    parser.add_argument("--keep", default="loss", choices=["loss", "accuracy"], help="what makes an epoch the best")
    parser.add_argument("--masked-bn", action="store_true", help="real rows and edges only, no padding in batch norm")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    a = parser.parse_args()
    settings = Settings(
        tagger=a.tagger, data=a.data, jets=a.jets, val_jets=a.val_jets, test_jets=a.test_jets, epochs=a.epochs,
        batch=a.batch or models.TAGGERS[a.tagger].batch, lr=a.lr, schedule=a.schedule, keep=a.keep,
        masked=a.masked_bn, threads=a.threads,
    )  # fmt: skip
    run(settings, [int(seed) for seed in a.seeds.split(",")], a.out)


if __name__ == "__main__":
    main()
