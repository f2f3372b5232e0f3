"""Fisher's linear discriminant on energy flow polynomials, by `energyflow` 1.4 and scikit-learn.

Takes the first 1500 rows of samples/top_sample.parquet to fit and the rows 8000 to 8200 to score (the first training and
the first test jets of the sample), the 102 polynomials of at most five edges ('hadr', beta 0.5, normed) of constituents
whose momenta are rounded to single precision, as jets are kept, and LinearDiscriminantAnalysis(solver="svd", tol=1e-12) on the values
  log_odds       rounded to single precision, as our view is
  log_odds_f64   not rounded: what the rounding costs
  log_odds_cut   rounded, with tol=1e-2, which leaves no direction that the rounding decides
Writes data/taggers_discriminant.json, lists with one number a test jet.

Usage: python taggers_discriminant.py      (needs energyflow, scikit-learn, numpy < 2, pyarrow)
"""
import json
from pathlib import Path

import energyflow as ef
import numpy as np
import pyarrow.parquet as pq
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

HERE = Path(__file__).parent
FIT, SCORE = slice(0, 1500), slice(8000, 8200)


def hadronic(table, rows):
    """(pT, y, phi) of each constituent of each jet, through momenta in single precision."""
    columns = [table[f"constituent_{name}"].slice(rows.start, rows.stop - rows.start).to_pylist()
               for name in ("pt", "eta", "phi")]
    jets = []
    for jet in zip(*columns):
        pt, eta, phi = np.array(jet, dtype=np.float64)
        momenta = pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        e, px, py, pz = (p.astype(np.float32).astype(np.float64) for p in momenta)
        pt = np.hypot(px, py)
        m2 = np.maximum((e + pz) * (e - pz) - pt**2, 0)
        y = np.where(pz > 0, 1, -1) * np.log((e + np.abs(pz))**2 / (pt**2 + m2)) / 2
        jets.append(np.stack([pt, y, np.arctan2(py, px)], 1))
    return jets


def main():
    table = pq.read_table(HERE / "../../samples/top_sample.parquet")
    efps = ef.EFPSet("d<=5", measure="hadr", beta=0.5, kappa=1, normed=True, coords="ptyphim")
    values = {name: np.array([efps.compute(jet) for jet in hadronic(table, rows)])
              for name, rows in (("fit", FIT), ("score", SCORE))}
    assert values["fit"].shape == (1500, 102)
    labels = table["label"].to_numpy()[FIT]
    columns = {}
    for name, kind, tol in (("log_odds", np.float32, 1e-12), ("log_odds_f64", np.float64, 1e-12),
                            ("log_odds_cut", np.float32, 1e-2)):
        rounded = {key: v.astype(kind).astype(np.float64) for key, v in values.items()}
        fitted = LinearDiscriminantAnalysis(solver="svd", tol=tol).fit(rounded["fit"], labels)
        columns[name] = fitted.decision_function(rounded["score"])
    print("rounding changes the log-odds by at most", np.abs(columns["log_odds"] - columns["log_odds_f64"]).max())
    text = json.dumps({name: list(column) for name, column in columns.items()}, indent=0)
    (HERE / "data/taggers_discriminant.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
