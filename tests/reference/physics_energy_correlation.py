"""Expected energy correlations of the first 100 jets of physics_jets.parquet.

Writes data/physics_energy_correlation.parquet, one row a jet, for the powers 1 and 2 (`_b1`, `_b2`):
  e_b*            e2, e3, e4, _1 e_3, _2 e_3 by fastjet-contrib, out of the wheel of PyPI `fastjet`
  ratios_b*       C1, C2, C3, D2, M2, N2 by the same
  energyflow_b*   e2, e3, e4 from the energy flow polynomials of the complete graphs, then C2, D2, C3, by `energyflow`,
                  of the jets with E = |p|: it lets the rounding of a squared mass below 0 into the rapidity

energyflow wants an older numpy than the rest, hence an interpreter of its own.

Usage: python physics_energy_correlation.py PYTHON_WITH_ENERGYFLOW
"""
import subprocess
import sys
import tempfile
from itertools import combinations
from math import factorial
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
COUNT = 100
BETAS = (1, 2)


def by_energyflow(source, target):
    """Runs in the other interpreter: jets in, `[B, beta, 6]` out."""
    import energyflow as ef

    packed = np.load(source)
    result = []
    for row in (packed[key] for key in packed.files):
        jet = np.concatenate([np.sqrt((row[1:] ** 2).sum(axis=0, keepdims=True)), row[1:]]).T
        row = []
        for beta in BETAS:
            kinds = {"measure": "hadr", "beta": beta, "coords": "epxpypz", "normed": True}
            # A polynomial sums over ordered points; an energy correlation over sets.
            for points in (2, 3, 4):
                graph = list(combinations(range(points), 2))
                row.append(ef.EFP(graph, **kinds).compute(jet) / factorial(points))
            # energyflow's ratios are those of the polynomials: factorials of the correlations must come out again.
            row.append(ef.C2(**kinds).compute(jet) * (2 * 2) / 6)
            row.append(ef.D2(**kinds).compute(jet) * (2 * 2 * 2) / 6)
            row.append(ef.C3(**kinds).compute(jet) * (6 * 6) / (24 * 2))
        result.append(np.reshape(row, (len(BETAS), -1)))
    np.save(target, np.array(result))


def by_fastjet(row, beta):
    import awkward as ak
    import fastjet as fj

    event = ak.Array([{"E": e, "px": px, "py": py, "pz": pz} for e, px, py, pz in row.T])
    sequence = fj.ClusterSequence(event, fj.JetDefinition(fj.kt_algorithm, 1000.0))

    def correlator(function, points=0, angles=-1):
        return float(sequence.exclusive_jets_energy_correlator(
            njets=1, beta=beta, npoint=points, angles=angles, func=function, normalized=True))

    # `angles` counts those that enter: 1, 3 and 6 are all of two, three and four points.
    correlations = [correlator("generalized", p, a) for p, a in ((2, 1), (3, 3), (4, 6), (3, 1), (3, 2))]
    return correlations, [correlator("doubleratio", p) for p in (1, 2, 3)] + [correlator(f) for f in ("D2", "M2", "N2")]


def main(other_python):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(DATA / "physics_jets.parquet")[:COUNT]
    rows = [np.array(r, dtype=np.float64) for r in zip(*(table[name].to_pylist() for name in ("e", "px", "py", "pz")))]
    columns = {}
    for beta in BETAS:
        pairs = [by_fastjet(row, beta) for row in rows]
        columns[f"e_b{beta}"] = [e for e, _ in pairs]
        columns[f"ratios_b{beta}"] = [ratios for _, ratios in pairs]
    with tempfile.TemporaryDirectory() as folder:
        source, target = f"{folder}/jets.npz", f"{folder}/result.npy"
        np.savez(source, *rows)
        subprocess.run([other_python, __file__, source, target], check=True)
        flow = np.load(target)
    for i, beta in enumerate(BETAS):
        columns[f"energyflow_b{beta}"] = flow[:, i].tolist()
    pq.write_table(pa.table({name: pa.array(column, pa.list_(pa.float64())) for name, column in columns.items()}),
                   DATA / "physics_energy_correlation.parquet", compression="zstd", compression_level=19,
                   store_schema=False)


if __name__ == "__main__":
    by_energyflow(*sys.argv[1:]) if len(sys.argv) == 3 else main(sys.argv[1])
