#!/usr/bin/env python3
"""Cuts samples/top_sample.parquet out of a larger file of generated jets.

    python make_sample.py JETS.parquet top_sample.parquet

JETS.parquet holds label and the lists constituent_pt, constituent_eta, constituent_phi (120,000 jets made with
Pythia 8 after the recipe of the top-tagging reference data set). 10,000 rows are drawn from all over the file without
repetition, 5,000 of each class, and shuffled, so that 60/20/20 by position is a fair split.
"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

JETS = 10_000

source, target = sys.argv[1:3]
columns = ["label", "constituent_pt", "constituent_eta", "constituent_phi"]
table = pq.read_table(source, columns=columns)
rng = np.random.default_rng(20260101)
label = table["label"].to_numpy()
rows = np.concatenate([rng.choice(np.flatnonzero(label == c), JETS // 2, replace=False) for c in (0, 1)])
rng.shuffle(rows)
sample = table.take(pa.array(rows)).combine_chunks().replace_schema_metadata(None)
pq.write_table(
    sample,
    target,
    row_group_size=1_000,
    compression="zstd",
    compression_level=19,
    use_dictionary=False,
    write_page_index=True,
    column_encoding={
        "label": "PLAIN",
        "constituent_pt.list.element": "BYTE_STREAM_SPLIT",
        "constituent_eta.list.element": "BYTE_STREAM_SPLIT",
        "constituent_phi.list.element": "BYTE_STREAM_SPLIT",
    },
)
