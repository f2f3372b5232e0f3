"""Sums of real tables and images as pandas and h5py read them.

Needs numpy, pandas, h5py and the folder of larger files (TAGWERK_SHARED_DATA). Prints the constants of
crates/tagwerk-data/src/array_dataset/tests.rs.
"""

import os
import pathlib

import h5py
import numpy as np
import pandas as pd

real = pathlib.Path(os.environ["TAGWERK_SHARED_DATA"]) / "real"
magic = pd.read_csv(real / "magic04.data", header=None)
print("magic", len(magic), (magic[10] == "g").sum(), [float(magic[c].sum()) for c in range(10)])
higgs = pd.read_csv(real / "higgs_7000.tsv", sep="\t", header=None)
print("higgs", len(higgs), higgs[0].sum(), [float(higgs[c].sum()) for c in range(1, 29)])
with h5py.File(real / "jet_images_fnallpc.h5") as f:
    print("images", [float(np.mean(f[name][:])) for name in ("TT", "QCD")])
