"""Small frames as pandas writes them to HDF5, in both formats: tests/reference/data/frame_{fixed,table}.h5.

Columns of three types, in an order that is not that of the types. The numbers are simple enough to be written again in the
test. Needs pandas and tables. Run: python tests/reference/data_pandas_frames.py
"""

import pathlib

import numpy as np
import pandas as pd

if __name__ == "__main__":
    n = 50
    i = np.arange(n)
    frame = pd.DataFrame(
        {
            "score": (i / 64).astype("f4"),
            "label": i % 2,
            "pt": 500.25 + i,
            "eta": (-(i / 16)).astype("f4"),
            "n": 20 + i,
        }
    )
    folder = pathlib.Path(__file__).parent / "data"
    for kind in ("fixed", "table"):
        path = folder / f"frame_{kind}.h5"
        # Compressed, as large frames are; the fixed format is not by default.
        packing = {"complib": "zlib", "complevel": 9} if kind == "table" else {}
        frame.to_hdf(path, key="df", format=kind, mode="w", **packing)
        print(path.name, path.stat().st_size)
