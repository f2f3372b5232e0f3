"""EnergyFlow's thousand energy flow polynomials: microseconds a jet, as in Tagwerk's `benches/efp.rs`.

    python peers/efp.py [JETS.bin] [--jets N] [--threads N] [--json FILE]
    python peers/efp.py JETS.bin --jets N --write jets.parquet

The jets are the Rust benchmark's: drawn by the same sequence, or those of a file that the second command writes from
a table of jets (columns constituent_pt, constituent_eta, constituent_phi) and that `cargo bench --bench efp --
JETS.bin` reads too. The sums printed beside the times show that both sides do the same work, if both have the same
number of jets (for 'hadrdot' to 1e-5 only: the angle of a massless particle with itself is rounding to the power beta
/ 2). Timed are `EFPSet('d<=7').compute` jet by jet on one thread, and `batch_compute` with a process a thread. Jets
are in memory as (pT, y, phi) for 'hadr' and (E, px, py, pz) for 'hadrdot' before the clock starts; the set is built
before, too.

Needs `pip install energyflow` (1.4, with numpy < 2); `--write` needs pyarrow instead.
"""

from __future__ import annotations

import os

# Before numpy is loaded: its own threads would only disturb on matrices this small.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import argparse
import json
import statistics
import time

import numpy as np

JETS, CONSTITUENTS = 200, 50


def drawn_jets():
    counter = 0

    def uniform():
        nonlocal counter
        counter += 1
        return (counter * 0.6180339887498949) % 1.0

    jets = []
    for _ in range(JETS):
        rows = []
        for i in range(CONSTITUENTS):
            pt = 120.0 * np.exp(-i / 12.0) * (0.5 + uniform())
            radius, angle = 0.8 * uniform() * uniform(), 2 * np.pi * uniform()
            rows.append((pt, 0.5 + radius * np.cos(angle), 1.0 + radius * np.sin(angle)))
        jets.append(np.array(rows))
    return jets


def write_jets(path, source, count):
    import pyarrow.parquet as pq

    columns = [f"constituent_{name}" for name in ("pt", "eta", "phi")]
    table = next(pq.ParquetFile(source).iter_batches(batch_size=count, columns=columns))
    with open(path, "wb") as file:
        for rows in zip(*(table[name].to_pylist() for name in columns)):
            jet = momenta(np.array(rows, dtype=np.float64).T)
            np.array([len(jet), *jet.ravel()], dtype="<f8").tofile(file)


def read_jets(path):
    """(pT, y, phi); massless, so that the rapidity is the pseudorapidity."""
    numbers, jets = np.fromfile(path, dtype="<f8"), []
    while len(numbers):
        end = 1 + 4 * int(numbers[0])
        _, px, py, pz = numbers[1:end].reshape(-1, 4).T
        pt = np.hypot(px, py)
        jets.append(np.stack([pt, np.arcsinh(pz / pt), np.arctan2(py, px)], 1))
        numbers = numbers[end:]
    return jets


def momenta(jet):
    pt, eta, phi = jet.T
    return np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?")
    parser.add_argument("--write", metavar="PARQUET")
    parser.add_argument("--jets", type=int, default=JETS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    if arguments.write:
        return write_jets(arguments.file, arguments.write, arguments.jets)
    import energyflow as ef

    jets = (read_jets(arguments.file) if arguments.file else drawn_jets())[: arguments.jets]
    print(f"{len(jets)} jets of {np.mean([len(jet) for jet in jets]):.1f} constituents")
    results = {}
    for measure, coords, events in (("hadr", "ptyphim", jets), ("hadrdot", "epxpypz", [momenta(jet) for jet in jets])):
        efps = ef.EFPSet("d<=7", measure=measure, beta=0.5, kappa=1, normed=True, coords=coords)
        seconds, total = [], 0.0
        for event in events:
            start = time.perf_counter()
            values = efps.compute(event)
            seconds.append(time.perf_counter() - start)
            total += values.sum()
        compute = np.mean(seconds)
        print(f"{measure}: compute, one thread {compute * 1e6:10.0f} us/jet (median {statistics.median(seconds) * 1e6:.0f})"
              f"   sum {total:.12e}")
        start = time.perf_counter()
        efps.batch_compute(events, n_jobs=arguments.threads)
        batch = (time.perf_counter() - start) / len(events)
        print(f"{measure}: batch_compute, {arguments.threads} processes {batch * 1e6:10.0f} us/jet")
        results[measure] = {"compute_us": compute * 1e6, "batch_us": batch * 1e6, "sum": total}
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"jets": len(jets), "threads": arguments.threads, **results}, file, indent=1)


if __name__ == "__main__":
    main()
