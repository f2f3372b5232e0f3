"""Expected N-subjettinesses of the jets of physics_jets.parquet.

Writes data/physics_nsubjettiness.parquet, one row a jet, each column a list over N and,
within it, the powers 0.5, 1, 2:
  kt, ca, wta_kt      N = 1 to 7: directions of particles and of exclusive jets by FastJet (PyPI `fastjet`, R = 1000),
                      the rest in numpy
  kt_r0.4             the same with kT of radius 0.4
  kt_eta              the same (R = 1000) with pseudorapidities
  contrib_kt, contrib_ca, contrib_wta_kt, contrib_one_pass_kt, contrib_one_pass_wta_kt
                      N = 1 to 4, powers 1 and 2 only: fastjet-contrib's Nsubjettiness, out of the same wheel, an
                      independent code; brought from its normalization (sum of pT) to ours (pT of the sum). It takes
                      constituents as massless, so these columns are for the jets with E = |p|.

Usage: python physics_nsubjettiness.py
"""
from pathlib import Path

import awkward as ak
import fastjet as fj
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data"
BETAS = (0.5, 1.0, 2.0)
DEFINITIONS = {
    "kt": fj.JetDefinition(fj.kt_algorithm, 1000.0),
    "ca": fj.JetDefinition(fj.cambridge_algorithm, 1000.0),
    "wta_kt": fj.JetDefinition(fj.kt_algorithm, 1000.0, fj.WTA_pt_scheme),
    "kt_r0.4": fj.JetDefinition(fj.kt_algorithm, 0.4),
    "kt_eta": fj.JetDefinition(fj.kt_algorithm, 1000.0),
}


def directions(jets, pseudorapidity):
    return np.array([[jet.eta() if pseudorapidity else jet.rap(), jet.phi_std()] for jet in jets])


def taus(name, e, px, py, pz, particles):
    points = directions(particles, name == "kt_eta")
    pt = np.hypot(px, py)
    jet_pt = np.hypot(px.sum(), py.sum())
    sequence = fj.ClusterSequence(particles, DEFINITIONS[name])
    result = []
    for n in range(1, 8):
        if n >= len(e):
            result += [0.0] * len(BETAS)
            continue
        axes = directions(sequence.exclusive_jets(n), name == "kt_eta")
        difference = np.abs(points[:, None] - axes)
        difference[..., 1] = np.minimum(difference[..., 1], 2 * np.pi - difference[..., 1])
        distance = np.hypot(difference[..., 0], difference[..., 1])
        # An axis on a particle: 0, not the rounding of two ways to the same direction.
        distance[distance < 1e-13] = 0.0
        result += [float((pt * distance.min(axis=1) ** beta).sum() / jet_pt) for beta in BETAS]
    return result


def contrib(rows):
    events = ak.Array([[{"E": a, "px": b, "py": c, "pz": d} for a, b, c, d in zip(*row)] for row in rows])
    sequence = fj.ClusterSequence(events, DEFINITIONS["kt"])
    norm = [np.hypot(px, py).sum() / np.hypot(px.sum(), py.sum()) for _, px, py, _ in rows]
    columns = {}
    for name in ("KT", "CA", "WTA_KT", "OnePass_KT", "OnePass_WTA_KT"):
        values = [
            np.array(sequence.njettiness("NormalizedMeasure", f"{name}_Axes", njets=[1, 2, 3, 4], beta=beta, R0=1.0))
            for beta in BETAS[1:]
        ]
        column = np.stack(values, 2) * np.array(norm)[:, None, None]
        columns[f"contrib_{name.lower().replace('onepass', 'one_pass')}"] = column.reshape(len(rows), -1).tolist()
    return columns


def main():
    table = pq.read_table(DATA / "physics_jets.parquet")
    rows = [np.array(r, dtype=np.float64) for r in zip(*(table[name].to_pylist() for name in ("e", "px", "py", "pz")))]
    columns = {name: [] for name in DEFINITIONS}
    for row in rows:
        particles = [fj.PseudoJet(px, py, pz, e) for e, px, py, pz in row.T]
        for name, column in columns.items():
            column.append(taus(name, *row, particles))
    columns |= contrib([np.stack([np.sqrt((row[1:] ** 2).sum(axis=0)), *row[1:]]) for row in rows])
    pq.write_table(pa.table({name: pa.array(column, pa.list_(pa.float64())) for name, column in columns.items()}),
                   DATA / "physics_nsubjettiness.parquet", compression="zstd", compression_level=19,
                   store_schema=False)


if __name__ == "__main__":
    main()
