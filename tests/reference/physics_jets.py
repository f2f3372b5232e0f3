"""The jets that the physics reference numbers are made for: the first 200 of a top-tagging file.

Writes data/physics_jets.parquet: constituents (E, px, py, pz) as float32, in stored order, and the label.

Usage: python physics_jets.py JETS.parquet
(columns label, constituent_pt, constituent_eta, constituent_phi; massless constituents by falling pT)
"""
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data"
COUNT = 200


def main(source):
    table = next(pq.ParquetFile(source).iter_batches(batch_size=COUNT))
    columns = {name: [] for name in ("e", "px", "py", "pz")}
    for pt, eta, phi in zip(*(table[f"constituent_{name}"].to_pylist() for name in ("pt", "eta", "phi"))):
        pt, eta, phi = (np.array(values, dtype=np.float64) for values in (pt, eta, phi))
        components = {"e": pt * np.cosh(eta), "px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}
        for name, values in components.items():
            columns[name].append(values.astype(np.float32))
    lists = {name: pa.array([v.tolist() for v in values], pa.list_(pa.float32())) for name, values in columns.items()}
    DATA.mkdir(exist_ok=True)
    pq.write_table(pa.table({"label": table["label"], **lists}), DATA / "physics_jets.parquet",
                   compression="zstd", compression_level=19, store_schema=False)


if __name__ == "__main__":
    main(sys.argv[1])
