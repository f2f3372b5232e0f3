"""Converts a table of events from gzipped CSV to Parquet the usual way: pandas; prints JSON.

    python peers/convert_events.py all_train.csv.gz out.parquet [--repeat 3] [--engine c|pyarrow]

What `tagwerk data convert` does: label a byte, everything else in single precision, the mass 499.99997 as 500, Zstandard.
`--make N` writes a file of N events in the layout of HEPMASS first: all digits that NumPy prints, `# label` in the header.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import statistics
import time

import numpy as np
import pandas as pd

MASSES = np.array([499.99997, 750.0, 1000.0, 1250.0, 1500.0])


def make(path: str, events: int) -> None:
    """Normal numbers in the layout of HEPMASS."""
    rng = np.random.default_rng(1)
    names = ",".join(["# label", *(f"f{i}" for i in range(27)), "mass"])
    with gzip.open(path, "wt", compresslevel=6) as out:
        out.write(names + "\n")
        for first in range(0, events, 50_000):
            n = min(50_000, events - first)
            label = rng.integers(0, 2, n).astype(np.float64)
            features = rng.normal(size=(n, 27)).astype(np.float32).astype(np.float64)
            rows = np.column_stack([label, features, rng.choice(MASSES, n)])
            np.savetxt(out, rows, fmt="%.18e", delimiter=",")


def convert(path: str, out: str, engine: str) -> int:
    """One conversion; returns the number of events."""
    frame = pd.read_csv(path, engine=engine)
    frame = frame.rename(columns={frame.columns[0]: "label"})
    frame["label"] = frame["label"].astype(np.uint8)
    rest = frame.columns[1:]
    frame[rest] = frame[rest].astype(np.float32)
    if "mass" in frame:
        lowest = frame["mass"].min()
        frame["mass"] = frame["mass"].replace(lowest, np.float32(round(float(lowest), 3)))
    frame.to_parquet(out, compression="zstd", index=False)
    return len(frame)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path")
    parser.add_argument("out")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--engine", default="c", choices=("c", "pyarrow"))
    parser.add_argument("--make", type=int, metavar="N")
    a = parser.parse_args()
    if a.make:
        make(a.path, a.make)
    seconds, events = [], 0
    for _ in range(a.repeat):
        begin = time.perf_counter()
        events = convert(a.path, a.out, a.engine)
        seconds.append(time.perf_counter() - begin)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "engine": a.engine,
        "events": events,
        "seconds": min(seconds, default=0.0),
        "median_seconds": statistics.median(seconds) if seconds else 0.0,
        "peak_mib": usage.ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
