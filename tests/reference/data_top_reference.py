#!/usr/bin/env python3
"""Numbers that the HDF5 reader is held to, made with PyTables.

    python data_top_reference.py DIR > data_top_reference.json

DIR holds train.h5, val.h5, test.h5 in the reference top-tagging layout. For each file: rows, signal jets, constituents,
the sums of E, px, py, pz of all constituents in f64, and three rows in full (label, number of constituents, the first
and the last constituent).
"""

import json
import sys

import numpy as np
import tables

result = {}
for name in ("train", "val", "test"):
    with tables.open_file(f"{sys.argv[1]}/{name}.h5") as handle:
        table = handle.root.table.table[:]
    block = table["values_block_0"][:, :800].reshape(-1, 200, 4)
    label = table["values_block_1"][:, 1]
    real = block[:, :, 0] > 0
    rows = {}
    for row in (0, len(table) // 3, len(table) - 1):
        jet = block[row][real[row]]
        rows[str(row)] = {
            "label": int(label[row]),
            "constituents": len(jet),
            "first": [float(x) for x in jet[0]],
            "last": [float(x) for x in jet[-1]],
        }
    result[name] = {
        "rows": len(table),
        "signal": int(label.sum()),
        "constituents": int(real.sum()),
        "sums": [float(x) for x in block[real].astype(np.float64).sum(axis=0)],
        "jets": rows,
    }
json.dump(result, sys.stdout, indent=1)
print()
