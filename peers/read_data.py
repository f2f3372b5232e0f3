#!/usr/bin/env python3
"""Reads jets the usual way: pandas and NumPy, from file to flat arrays without padding.

    python read_data.py FILE.parquet|FILE.h5 [--repeat N]

Prints one JSON object: seconds (the best of N, and the median), processor seconds of one reading, jets, constituents, sum of the energies, peak memory of the process in
MiB. The work is what `cargo bench -p tagwerk-data` does: E, px, py, pz of the real constituents in flat f32 arrays,
offsets, labels. Conversions from (pt, eta, phi) run in f64.

Two ways are timed for Parquet: pandas alone, and PyArrow's flat list values for those who know them.
"""

import argparse
import json
import resource
import time

import numpy as np
import pandas as pd


def momenta(pt, eta, phi):
    pt, eta, phi = (x.astype(np.float64) for x in (pt, eta, phi))
    parts = (pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta))
    return [x.astype(np.float32) for x in parts]


def parquet_pandas(path):
    frame = pd.read_parquet(path, columns=["label", "constituent_pt", "constituent_eta", "constituent_phi"])
    lengths = frame["constituent_pt"].map(len).to_numpy()
    flat = [np.concatenate(frame[f"constituent_{c}"].to_numpy()) for c in ("pt", "eta", "phi")]
    return momenta(*flat), np.concatenate([[0], np.cumsum(lengths)]), frame["label"].to_numpy()


def parquet_arrow(path):
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["label", "constituent_pt", "constituent_eta", "constituent_phi"])
    flat = [table[f"constituent_{c}"].combine_chunks().flatten().to_numpy() for c in ("pt", "eta", "phi")]
    offsets = table["constituent_pt"].combine_chunks().offsets.to_numpy()
    return momenta(*flat), offsets, table["label"].to_numpy()


def hdf5_pandas(path):
    frame = pd.read_hdf(path, "table")
    block = frame.iloc[:, :800].to_numpy(dtype=np.float32).reshape(-1, 200, 4)
    real = block[:, :, 0] > 0
    flat = block[real]
    parts = [np.ascontiguousarray(flat[:, c]) for c in range(4)]
    return parts, np.concatenate([[0], np.cumsum(real.sum(axis=1))]), frame["is_signal_new"].to_numpy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    ways = (
        {"pandas": parquet_pandas, "pyarrow": parquet_arrow}
        if args.file.endswith(".parquet")
        else {"pandas": hdf5_pandas}
    )
    result = {"file": args.file.rsplit("/", 1)[-1]}
    for name, way in ways.items():
        seconds, cpu = [], []
        for _ in range(args.repeat):
            start, used = time.perf_counter(), time.process_time()
            parts, offsets, labels = way(args.file)
            seconds.append(time.perf_counter() - start)
            cpu.append(time.process_time() - used)
        result[name] = {
            "seconds": round(min(seconds), 4),
            "median": round(sorted(seconds)[len(seconds) // 2], 4),
            "cpu_seconds": round(sum(cpu) / len(cpu), 4),
            "jets": len(labels),
            "constituents": int(offsets[-1]),
            "energy": float(parts[0].astype(np.float64).sum()),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        del parts, offsets, labels
    print(json.dumps(result))


if __name__ == "__main__":
    main()
