#!/usr/bin/env python3
"""Cuts samples/hepmass_{train,test}.parquet out of larger tables in the layout of HEPMASS.

    python make_hepmass_sample.py TRAIN.csv.gz TEST.csv.gz FOLDER

Both tables hold label, f0 .. f26 and mass: X -> ttbar at 500, 750, 1000, 1250 and 1500 GeV and Standard Model ttbar,
made with Pythia 8, features in GeV and radians. 10,000 and 4,000 rows are drawn without repetition, half of them
signal, each mass as often as the others, and shuffled. Values are rounded to 13 binary digits, a relative 6e-5, far
below any detector's resolution, so that the files stay small.
"""

import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

MASSES = (500, 750, 1000, 1250, 1500)
DIGITS = 13


def rounded(values):
    """Float32 with DIGITS binary digits."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    return np.ldexp(np.round(mantissa * 2**DIGITS) / 2**DIGITS, exponent).astype(np.float32)


train, test, folder = sys.argv[1:4]
rng = np.random.default_rng(20260102)
for source, target, rows in ((train, "hepmass_train.parquet", 10_000), (test, "hepmass_test.parquet", 4_000)):
    table = pd.read_csv(source)
    signal = [
        rng.choice(np.flatnonzero((table["label"] == 1) & (table["mass"] == mass)), rows // 10, replace=False)
        for mass in MASSES
    ]
    background = rng.choice(np.flatnonzero(table["label"] == 0), rows // 2, replace=False)
    chosen = np.concatenate([*signal, background])
    rng.shuffle(chosen)
    table = table.iloc[chosen]
    columns = {"label": pa.array(table["label"].to_numpy(np.int8))}
    columns |= {name: pa.array(rounded(table[name].to_numpy())) for name in table.columns if name[0] == "f"}
    columns["mass"] = pa.array(table["mass"].to_numpy(np.float32))
    table = pa.table(columns)
    few = [name for name in table.column_names if len(table[name].unique()) < 64]
    pq.write_table(
        table,
        f"{folder}/{target}",
        row_group_size=5_000,
        compression="zstd",
        compression_level=19,
        use_dictionary=few,
        column_encoding={name: "BYTE_STREAM_SPLIT" for name in table.column_names if name not in few},
    )
