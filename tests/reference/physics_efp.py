"""Energy flow polynomials of the first jets of physics_jets.parquet by the reference code, `energyflow` 1.4 (numpy < 2).

Writes, in the order of energyflow's columns (EFPSet('d<=7'): 490 connected graphs, then 510 products):
  data/physics_efp_graphs.parquet    a row a graph: `edges` (vertex pairs, flattened), `spec` (n, e, d, v, k, c, p, h)
  data/physics_efp.parquet           a row a setting: measure (0 hadr, 1 hadrdot, 2 ee), beta, kappa (-1: 'pf'), normed;
      `jet`         the 1000 values of jet 0
      `by_graph`    mean over jets of log(value), one entry a graph: as many jets as `by_jet` has entries
      `by_jet`      mean over graphs of log(value), one entry a jet

Constituents go in as (pT, y, phi) for 'hadr', with squared masses below zero (rounding) taken as zero, and as (E, px, py, pz)
for the others.

Usage: python physics_efp.py ENERGYFLOW_PYTHON [FULL.npz]      (this python needs pyarrow, the other energyflow)
"""
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
COUNT, FEW = 100, 10
MEASURES = ["hadr", "hadrdot", "ee"]
SETTINGS = [(m, beta, kappa, True, COUNT) for m, beta, kappa in itertools.product((0, 1), (0.5, 1.0, 2.0), (1.0, 0.5))]
SETTINGS += [(2, 1.0, 1.0, True, FEW), (0, 1.0, 1.0, False, FEW), (1, 1.5, 0.7, False, FEW), (1, 1.0, -1.0, False, FEW)]


def hadronic(v):
    e, px, py, pz = v.T
    pt = np.hypot(px, py)
    m2 = np.maximum((e + pz) * (e - pz) - pt**2, 0)
    # FastJet's form; at pz = 0 its rounding is negative.
    y = np.where(pz > 0, 1, -1) * np.log((e + np.abs(pz))**2 / (pt**2 + m2)) / 2
    return np.stack([pt, y, np.arctan2(py, px)], 1)


def compute(source, target, setting):
    """In the python that has energyflow."""
    import energyflow as ef

    flat, sizes = (np.load(source)[name] for name in ("flat", "sizes"))
    jets = np.split(flat, np.cumsum(sizes)[:-1])
    measure, beta, kappa, normed, count = SETTINGS[setting]
    coords = "ptyphim" if measure == 0 else "epxpypz"
    efps = ef.EFPSet("d<=7", measure=MEASURES[measure], beta=beta, kappa="pf" if kappa < 0 else kappa, normed=normed,
                     coords=coords)
    events = [hadronic(v) if measure == 0 else v for v in jets[:count]]
    values = np.array([efps.compute(event) for event in events])
    edges = [np.array(graph, dtype=np.int16).ravel() for graph in efps.graphs()]
    np.savez(target, values=values, edges=np.concatenate(edges), lengths=[len(e) for e in edges], specs=efps.specs)


def main(python, full=None):
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(columns, name):
        pq.write_table(pa.table(columns), DATA / name, compression="zstd", compression_level=19, use_dictionary=False,
                       store_schema=False)

    table = pq.read_table(DATA / "physics_jets.parquet").slice(0, COUNT).to_pydict()
    jets = [np.array(v, dtype=np.float64).T for v in zip(*(table[name] for name in ("e", "px", "py", "pz")))]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "jets.npz"
        np.savez(source, flat=np.concatenate(jets), sizes=[len(v) for v in jets])
        for i in range(len(SETTINGS)):
            target = Path(folder) / f"{i}.npz"
            subprocess.run([*python.split(), __file__, "--compute", source, target, str(i)], check=True)
            results.append(dict(np.load(target)))
    assert all((r["values"] > 0).all() for r in results)
    edges = np.split(results[0]["edges"], np.cumsum(results[0]["lengths"])[:-1])
    write({"edges": pa.array([e.tolist() for e in edges], pa.list_(pa.int16())),
           "spec": pa.array(results[0]["specs"].tolist(), pa.list_(pa.int16()))}, "physics_efp_graphs.parquet")
    logs = [np.log(r["values"]) for r in results]
    numbers = np.array([s[:4] for s in SETTINGS], dtype=np.float64)
    columns = {name: numbers[:, i] for i, name in enumerate(("measure", "beta", "kappa", "normed"))}
    columns["jet"] = [r["values"][0].tolist() for r in results]
    columns["by_graph"] = [log.mean(axis=0).tolist() for log in logs]
    columns["by_jet"] = [log.mean(axis=1).tolist() for log in logs]
    write(columns, "physics_efp.parquet")
    if full:
        np.savez(full, **{f"values_{i}": r["values"] for i, r in enumerate(results)})


if __name__ == "__main__":
    if sys.argv[1] == "--compute":
        compute(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(*sys.argv[1:])
