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

import statistics
import time

import numpy as np
from fastjet_peer import drawn_directions, momenta, parser, read_jets, report, write_jets

JETS, CONSTITUENTS = 200, 50


def jets_of_table(source, count):
    """(E, px, py, pz) of the first jets of a Parquet file."""
    import pyarrow.parquet as pq

    columns = [f"constituent_{name}" for name in ("pt", "eta", "phi")]
    table = next(pq.ParquetFile(source).iter_batches(batch_size=count, columns=columns))
    rows = zip(*(table[name].to_pylist() for name in columns), strict=True)
    return [momenta(np.array(row, dtype=np.float64).T) for row in rows]


def directions(jet):
    """(pT, y, phi) of massless particles, whose rapidity is the pseudorapidity."""
    _, px, py, pz = jet.T
    pt = np.hypot(px, py)
    return np.stack([pt, np.arcsinh(pz / pt), np.arctan2(py, px)], 1)


def main():
    options = parser(__doc__)
    options.add_argument("file", nargs="?")
    options.add_argument("--write", metavar="PARQUET")
    options.add_argument("--jets", type=int, default=JETS)
    arguments = options.parse_args()
    if arguments.write:
        return write_jets(arguments.file, jets_of_table(arguments.write, arguments.jets))
    import energyflow as ef

    if arguments.file:
        jets = [directions(jet) for jet in read_jets(arguments.file)]
    else:
        jets = drawn_directions(arguments.jets, CONSTITUENTS)
    jets = jets[: arguments.jets]
    print(f"{len(jets)} jets of {np.mean([len(jet) for jet in jets]):.1f} constituents")
    figures = {"jets": len(jets), "threads": arguments.threads}
    for measure, coords, events in (("hadr", "ptyphim", jets), ("hadrdot", "epxpypz", [momenta(jet) for jet in jets])):
        efps = ef.EFPSet("d<=7", measure=measure, beta=0.5, kappa=1, normed=True, coords=coords)
        seconds, total = [], 0.0
        for event in events:
            start = time.perf_counter()
            values = efps.compute(event)
            seconds.append(time.perf_counter() - start)
            total += values.sum()
        start = time.perf_counter()
        efps.batch_compute(events, n_jobs=arguments.threads)
        batch = (time.perf_counter() - start) / len(events)
        figures[measure] = {
            "compute, one thread": {"us_per_jet": np.mean(seconds) * 1e6, "sum": total},
            "compute, median": {"us_per_jet": statistics.median(seconds) * 1e6},
            f"batch_compute, {arguments.threads} processes": {"us_per_jet": batch * 1e6},
        }
    report(figures, ("hadr", "hadrdot"), arguments.json)


if __name__ == "__main__":
    main()
