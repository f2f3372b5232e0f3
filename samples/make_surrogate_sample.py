"""samples/surrogate_top.parquet: observables of simulated jets, and what a small ParticleNet-Lite says of them.

    tagwerk landscape configs/landscape-all.toml -o runs          # data/jets.parquet: see docs/results.md
    tagwerk features data/jets.parquet kinematics nsubjettiness:n=4 --part all -o features.parquet
    tagwerk score runs/particlenet-lite-1 data/jets.parquet --part all -o scores.parquet
    python samples/make_surrogate_sample.py features.parquet scores.parquet samples/surrogate_top.parquet

Kept are rows 72,000 to 91,999: behind the first 60 % of the file, of which the tagger was trained on 10,000. (2,000 of the
next 20 % chose among its epochs.) Other limits may follow as two more arguments.
"""

import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

NAMES = ["jet_pt", "jet_eta", "jet_phi", "jet_energy", "jet_multiplicity", "jet_mass"]
NAMES += [f"tau{n}_beta1" for n in (1, 2, 3, 4)]


def main(features: str, scores: str, out: str, first: int = 72_000, last: int = 92_000) -> None:
    jets = pd.read_parquet(features, columns=["row", "label", *NAMES])
    own = pd.read_parquet(scores, columns=["row", "label", "score"])
    joined = jets.merge(own, on="row", suffixes=("", "_scored"), validate="one_to_one")
    assert (joined["label"] == joined["label_scored"]).all()
    joined = joined[(joined["row"] >= first) & (joined["row"] < last)]
    single = ["score", *NAMES]
    table = joined[["label", *single]].astype({"label": "uint8", **{name: "float32" for name in single}})
    pq.write_table(
        pa.Table.from_pandas(table, preserve_index=False),
        out,
        compression="zstd",
        compression_level=19,
        use_dictionary=False,
        column_encoding={name: "BYTE_STREAM_SPLIT" for name in single},
    )


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:]))
