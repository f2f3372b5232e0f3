"""Expected pair features of the first 20 jets of physics_jets.parquet, in plain numpy, written from the formulas.

Writes data/physics_pair_features.parquet, one row a jet, of at most 12 leading constituents:
  features    n x n x (ln kT, ln z, ln dR, ln m^2), each at least 1e-8 before the logarithm
  products    (2 + n) x (2 + n) Minkowski products with the spurions (1, 0, 0, 0) and (0, 0, 0, 1) in front

Usage: python physics_pair_features.py
"""
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data"
COUNT, LEADING = 20, 12
METRIC = np.diag([1.0, -1.0, -1.0, -1.0])
SPURIONS = np.array([[1.0, 0, 0, 0], [0, 0, 0, 1.0]])


def features(p):
    e, px, py, pz = p.T
    pt, phi = np.hypot(px, py), np.arctan2(py, px)
    # The components come from single precision; a squared mass that rounding made negative counts as 0.
    mt2 = pt**2 + np.maximum(e**2 - pz**2 - pt**2, 0.0)
    y = np.sign(pz) * np.log((e + abs(pz)) / np.sqrt(mt2))
    dphi = (phi[:, None] - phi + np.pi) % (2 * np.pi) - np.pi
    dr = np.hypot(y[:, None] - y, dphi)
    softer = np.minimum(pt[:, None], pt)
    pair = p[:, None] + p
    m2 = pair[..., 0] ** 2 - (pair[..., 1:] ** 2).sum(-1)
    return np.log(np.maximum(np.stack([softer * dr, softer / (pt[:, None] + pt), dr, m2], -1), 1e-8))


def main():
    table = pq.read_table(DATA / "physics_jets.parquet")[:COUNT]
    columns = {"features": [], "products": []}
    for row in zip(*(table[name].to_pylist() for name in ("e", "px", "py", "pz"))):
        p = np.array(row, dtype=np.float64).T[:LEADING]
        columns["features"].append(features(p).ravel().tolist())
        q = np.concatenate([SPURIONS, p])
        columns["products"].append((q @ METRIC @ q.T).ravel().tolist())
    pq.write_table(pa.table({name: pa.array(column, pa.list_(pa.float64())) for name, column in columns.items()}),
                   DATA / "physics_pair_features.parquet", compression="zstd", compression_level=19,
                   store_schema=False)


if __name__ == "__main__":
    main()
