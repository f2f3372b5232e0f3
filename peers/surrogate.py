"""The classifier surrogate's work in PyTorch and zuko, as the original does it: times to hold `benches/surrogate.rs` against.

    cargo bench -p tagwerk-surrogate --bench surrogate -- --save FOLDER
    python peers/surrogate.py FOLDER [--threads 2] [--json FILE]

* `cfm step`: forward, backward and AdamW on a batch of 8,192.
* `likelihood`: the exact log-likelihood of 8,192 rows with the trace by automatic differentiation, through zuko's
  adaptive Dormand-Prince (atol 1e-6, rtol 1e-5, one step for the whole batch, the log-Jacobian carried at a hundredth).
* `likelihood gradient`: the same and its gradient by zuko's adaptive checkpoint adjoint.
* `samples`: decoding of `--jets` jets x 1,000 samples by the same solver, in batches of `--batch` samples (the original
  takes all of a jet list at once; smaller batches fit a processor's caches better and take fewer steps). Ten thousand jets
  take as many times longer as there are more of them.

Weights and conditions are those that the Rust benchmark saved, so that the solver meets the same velocity. Needs
`pip install torch zuko numpy`.
"""

from __future__ import annotations

import argparse
import json
import math
import pathlib
import statistics
import struct
import time

import memory
import numpy as np
import torch
from zuko.utils import odeint

FREQUENCIES, SIGMA_MIN, CONDITIONS, WIDTH = 3, 1e-4, 6, 64


class Velocity(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList()
        for block in range(3):
            hidden, out = (1 if block == 0 else WIDTH), (1 if block == 2 else WIDTH)
            self.blocks.append(
                torch.nn.Sequential(
                    torch.nn.Linear(2 * FREQUENCIES + hidden + CONDITIONS, WIDTH),
                    torch.nn.ELU(),
                    torch.nn.Linear(WIDTH, WIDTH),
                    torch.nn.ELU(),
                    torch.nn.Linear(WIDTH, out),
                )
            )
        self.register_buffer("frequencies", math.pi * torch.arange(1, FREQUENCIES + 1, dtype=torch.float32))

    def forward(self, t, x, c):
        angle = self.frequencies * t[..., None]
        tau = torch.cat((angle.cos(), angle.sin()), dim=-1).expand(*x.shape[:-1], -1)
        h = x
        for block in self.blocks:
            h = block(torch.cat((tau, h, c), dim=-1))
        return h


def load(folder: pathlib.Path) -> Velocity:
    """Weights out of a safetensors file: 8 bytes of length, a JSON header, the numbers."""
    content = (folder / "weights.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    state = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(content[8 + length + begin : 8 + length + end], dtype="<f4")
        _, block, _, layer, kind = name.split(".")
        state[f"blocks.{block}.{2 * int(layer)}.{kind}"] = torch.tensor(values.reshape(entry["shape"]))
    net = Velocity()
    net.load_state_dict(state, strict=False)
    return net


def measure(repeats: int, work) -> dict[str, float]:
    """Median milliseconds, and processor milliseconds on the mean, which a busy machine disturbs less."""
    times, before = [], time.process_time()
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    processor = (time.process_time() - before) / repeats
    return {"wall [ms]": 1e3 * statistics.median(times), "processors [ms]": 1e3 * processor}


def log_prob(net: Velocity, x: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    def augmented(t, x, ladj):
        with torch.enable_grad():
            x = x.requires_grad_()
            v = net(t, x, c)
            (trace,) = torch.autograd.grad(v.sum(), x, create_graph=True)
        return v, trace.squeeze(-1) * 1e-2

    ladj = torch.zeros(x.shape[0])
    z, ladj = odeint(augmented, (x, ladj), 0.0, 1.0, phi=list(net.parameters()))
    return -(z.square().sum(-1) + math.log(2 * math.pi)) / 2 + ladj * 1e2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--jets", type=int, default=200)
    parser.add_argument("--batch", type=int, default=100_000)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    memory.keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    net = load(options.folder)
    c = torch.tensor(np.fromfile(options.folder / "conditions.f32", dtype="<f4").reshape(-1, CONDITIONS))
    x = torch.tensor(np.fromfile(options.folder / "x.f32", dtype="<f4")[:, None])
    figures = {"threads": options.threads, "torch": torch.__version__}

    rows = 8192
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-7)

    def step():
        t, z = torch.rand(rows), torch.randn(rows, 1)
        data = x[:rows]
        y = (1 - t[:, None]) * data + (SIGMA_MIN + (1 - SIGMA_MIN) * t[:, None]) * z
        loss = (net(t, y, c[:rows]) - ((1 - SIGMA_MIN) * z - data)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step()
    figures["cfm step"] = measure(21, step)

    with torch.no_grad():
        figures["likelihood"] = measure(3, lambda: log_prob(net, x[:rows], c[:rows]))
        figures["mean -ln p"] = -log_prob(net, x[:rows], c[:rows]).mean().item()

    def gradient():
        net.zero_grad()
        (-log_prob(net, x[:rows].clone(), c[:rows]).mean()).backward()

    figures["likelihood with gradient"] = measure(3, gradient)

    draws = 1000
    with torch.no_grad():
        jets = options.jets
        z = torch.randn(jets * draws, 1)
        of = c[:jets].repeat_interleave(draws, dim=0)

        def decode():
            for start in range(0, jets * draws, options.batch):
                part = slice(start, start + options.batch)
                odeint(lambda t, x: net(t, x, of[part]), z[part], 1.0, 0.0, phi=())

        figures[f"samples of {jets} jets x 1,000"] = measure(1, decode)
    for name, value in figures.items():
        print(f"{name:40} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
