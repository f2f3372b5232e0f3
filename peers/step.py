"""Times one training step and the scoring of 1,024 jets of each reference tagger; JSON out.

    python peers/step.py --data jets.parquet --threads 2 --json step.json [--models pfn,efn] [--compile]

A step is forward, loss, backward and the Adam update on real jets that lie in memory as padded features. Times are
medians over repetitions after warm-up. With `--compile` each model is timed once more under `torch.compile`, in
a process of its own that is given up after `--compile-seconds`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import features
import memory
import models

SCORED = 1_024
"""Jets of the inference measurement."""

ROTATION = 4
"""Different training batches in turn, so that no batch is learnt by heart."""

DEFAULT_MODELS = "topodnn,efn,pfn,particlenet-lite,particlenet"


def median_ms(
    work: Callable[[int], object], device: str, repetitions: int, warm_up: int, seconds: float
) -> dict[str, Any]:
    """Median, fastest and number of the timed calls of `work(i)`, stopping early when `seconds` have passed."""
    synchronize = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    for i in range(warm_up):
        work(i)
    synchronize()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < repetitions and (len(times) < 3 or time.perf_counter() < end):
        begin = time.perf_counter()
        work(len(times))
        synchronize()
        times.append(1e3 * (time.perf_counter() - begin))
    return {"ms": statistics.median(times), "fastest_ms": min(times), "repetitions": len(times)}


def measure(name: str, view: Tensor, labels: Tensor, a: argparse.Namespace) -> dict[str, Any]:
    """Step and scoring time of one tagger on `view`, at least SCORED jets."""
    tagger = models.TAGGERS[name]
    batch = a.batch or tagger.batch
    torch.manual_seed(1)
    model = models.build(name, a.masked_bn).to(a.device)
    optimizer = models.adam(model, 1e-3)
    call = torch.compile(model) if a.compile_here else model
    batches = list(zip(map(tagger.collate, view.split(batch)[:ROTATION]), labels.split(batch)[:ROTATION], strict=True))
    scored = [tagger.collate(part) for part in view[:SCORED].split(tagger.score_batch)]

    def step(i: int) -> None:
        x, y = batches[i % ROTATION]
        optimizer.zero_grad(set_to_none=True)
        models.loss(call(x), y).backward()
        optimizer.step()

    @torch.inference_mode()
    def score(_: int) -> list[Tensor]:
        return [models.score(call(x)) for x in scored]

    model.train()
    begin = time.perf_counter()
    step(0)
    first = 1e3 * (time.perf_counter() - begin)
    step_time = median_ms(step, a.device, a.repetitions, a.warm_up, a.seconds)
    model.eval()
    score_time = median_ms(score, a.device, a.repetitions, a.warm_up, a.seconds)
    return {
        "batch": batch,
        "step_ms": step_time["ms"],
        "score_1024_ms": score_time["ms"],
        "score_batch": tagger.score_batch,
        "first_step_ms": first,
        "step": step_time,
        "score": score_time,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }


def measure_compiled(name: str, a: argparse.Namespace) -> dict[str, Any]:
    """The compiled times from a fresh process, or the reason why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "compiled.json"
        command = [
            sys.executable, __file__, "--data", a.data, "--models", name, "--threads", str(a.threads),
            "--repetitions", str(a.repetitions), "--warm-up", str(a.warm_up), "--seconds", str(a.seconds),
            "--batch", str(a.batch), "--device", a.device, "--json", str(out), "--compile-here",
        ]  # fmt: skip
        if a.masked_bn:
            command.append("--masked-bn")
        environment = os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "1", "TORCHINDUCTOR_CACHE_DIR": folder}
        # A group of its own, so that a compiler it started ends with it.
        child = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True)
        try:
            _, error = child.communicate(timeout=a.compile_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            return {"failed": f"not done within {a.compile_seconds} s"}
        if child.returncode != 0:
            return {"failed": error.strip().splitlines()[-1][:200] if error.strip() else f"exit {child.returncode}"}
        return json.loads(out.read_text())["models"][name]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="Parquet file of jets")
    parser.add_argument("--models", default=DEFAULT_MODELS, help="comma-separated")
    parser.add_argument("--batch", type=int, default=0, help="jets a step, 0: each tagger's own")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=30, help="timed calls at most")
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="time limit of one measurement, after 3 calls")
    parser.add_argument("--masked-bn", action="store_true", help="real rows and edges only, no padding in batch norm")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="also time torch.compile")
    parser.add_argument(
        "--compile-seconds", type=float, default=180.0, help="time limit of compiling and timing a model"
    )
    parser.add_argument("--compile-here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="result file; standard output without it")
    a = parser.parse_args()

    memory.keep_freed_memory()
    torch.set_num_threads(a.threads)
    torch.set_num_interop_threads(1)
    names = a.models.split(",")
    if unknown := [name for name in names if name not in models.TAGGERS]:
        parser.error(f"unknown models {unknown}; known: {', '.join(models.TAGGERS)}")
    jets = features.read_jets(a.data)
    needed = max(SCORED, *(ROTATION * (a.batch or models.TAGGERS[name].batch) for name in names))
    if len(jets) < needed:
        parser.error(f"{a.data} has {len(jets)} jets, {needed} are needed")
    jets = jets.slice(0, needed)
    labels = torch.from_numpy(jets.labels).to(a.device)
    result: dict[str, Any] = {
        "framework": f"PyTorch {torch.__version__}",
        "device": torch.cuda.get_device_name() if a.device.startswith("cuda") else platform.machine(),
        "threads": a.threads,
        "constituents": features.WIDTH,
        "models": {},
    }
    for name in names:
        view = torch.from_numpy(features.compute(models.TAGGERS[name].view, jets)).to(a.device)
        result["models"][name] = measure(name, view, labels, a)
        if a.compile:
            result["models"][name]["compiled"] = measure_compiled(name, a)
    text = json.dumps(result, indent=1)
    if a.json is None:
        print(text)
        return
    beside = a.json.with_name(a.json.name + ".tmp")
    beside.write_text(text)
    os.replace(beside, a.json)


if __name__ == "__main__":
    main()
