"""Reference numbers for tagwerk-stats, computed the slow and obvious way.

    python tests/reference/stats_reference.py > crates/tagwerk-stats/tests/reference/small.json

Needs numpy and scipy. Everything is written out from its definition: AUC and DeLong by counting all signal-background pairs,
curves by thresholding at every distinct score, ensembles by numpy's mean and median. The inputs stand in the file too, so
the Rust side repeats the same computation on the same numbers.
"""

import itertools
import json

import numpy as np
from scipy.stats import norm


def curve(y, s, w):
    t = np.unique(s)[::-1]
    tpr = np.array([0.0] + [w[(s >= c) & (y == 1)].sum() for c in t]) / w[y == 1].sum()
    fpr = np.array([0.0] + [w[(s >= c) & (y == 0)].sum() for c in t]) / w[y == 0].sum()
    sq = np.array([0.0] + [(w[(s >= c) & (y == 0)] ** 2).sum() for c in t])
    return tpr, fpr, sq


GRID = np.linspace(0.05, 1, 476)
INDEX = {"0.3": 125, "0.4": 175, "0.5": 225}


def rejections(y, s, w=None):
    weighted = w is not None
    w = np.ones(len(y)) if w is None else w
    tpr, fpr, sq = curve(y, s, w)
    on_grid, sq_on_grid = np.interp(GRID, tpr, fpr), np.interp(GRID, tpr, sq)
    out = {}
    for key, i in INDEX.items():
        r = 1 / on_grid[i]
        err = r * r * np.sqrt(sq_on_grid[i]) / w[y == 0].sum() if weighted else r * np.sqrt(r / (y == 0).sum())
        out[key] = {"value": r, "test_error": err}
    return out


def placements(y, s, w):
    """Share of the other class that each jet beats (signal) or is beaten by (background)."""
    d = s[y == 1][:, None] - s[y == 0][None, :]
    win = (d > 0) + 0.5 * (d == 0)
    return win @ w[y == 0] / w[y == 0].sum(), w[y == 1] @ win / w[y == 1].sum()


def delong(y, a, b, w=None):
    w = np.ones(len(y)) if w is None else w
    ws, wb = w[y == 1], w[y == 0]
    (sa, ba), (sb, bb) = placements(y, a, w), placements(y, b, w)
    auc_a, auc_b = sa @ ws / ws.sum(), sb @ ws / ws.sum()

    def cov(x, y_, w_, mx, my):
        return (w_**2 * (x - mx) * (y_ - my)).sum() / (w_.sum() ** 2 - (w_**2).sum())

    def total(s1, s2, b1, b2, m1, m2):
        return cov(s1, s2, ws, m1, m2) + cov(b1, b2, wb, m1, m2)

    va, vb = total(sa, sa, ba, ba, auc_a, auc_a), total(sb, sb, bb, bb, auc_b, auc_b)
    c = total(sa, sb, ba, bb, auc_a, auc_b)
    err = np.sqrt(va + vb - 2 * c)
    z = (auc_a - auc_b) / err
    return dict(auc_a=auc_a, auc_b=auc_b, error_a=np.sqrt(va), error_b=np.sqrt(vb), covariance=c,
                error=err, z=z, p_value=2 * norm.sf(abs(z)))


def ensemble(y, runs, members, how):
    subsets = list(itertools.combinations(range(len(runs)), members))
    r = np.array([rejections(y, how(runs[list(k)], axis=0))["0.3"]["value"] for k in subsets])
    order = np.argsort(r, kind="stable")
    k = order[len(order) // 2]
    return dict(subsets=len(subsets), value=r[k], spread=r.std(), members=list(subsets[k]))


def main():
    rng = np.random.default_rng(20190226)
    n = 400
    y = (rng.random(n) < 0.5).astype(int)
    common = rng.normal(size=n) + 1.1 * y
    # Three decimals make ties.
    runs = np.round(1 / (1 + np.exp(-(common + 0.6 * rng.normal(size=(9, n)) - 0.5))), 3)
    w = np.round(0.2 + rng.exponential(size=n), 3)
    out = {
        "labels": y.tolist(),
        "weights": w.tolist(),
        "runs": runs.tolist(),
        "rejection": [rejections(y, s) for s in runs],
        "rejection_weighted": [rejections(y, s, w) for s in runs],
        "accuracy": [float((np.round(s) == y).mean()) for s in runs],
        "accuracy_weighted": [float(w[np.round(s) == y].sum() / w.sum()) for s in runs],
        "delong": delong(y, runs[0], runs[1]),
        "delong_weighted": delong(y, runs[0], runs[1], w),
        "ensemble_9": {k: ensemble(y, runs, 6, f) for k, f in (("mean", np.mean), ("median", np.median))},
        "ensemble_4": {k: ensemble(y, runs[:4], 3, f) for k, f in (("mean", np.mean), ("median", np.median))},
    }
    # AUC from the pairs, for every run.
    out["auc"] = [delong(y, s, runs[1])["auc_a"] for s in runs]
    out["auc_weighted"] = [delong(y, s, runs[1], w)["auc_a"] for s in runs]
    values = np.array([r["0.3"]["value"] for r in out["rejection"]])
    lo, hi = np.percentile(values, [16.67, 83.33])
    core = values[(values >= lo) & (values <= hi)]
    kept = np.flatnonzero(np.abs(values - core.mean()) <= 3 * core.std())
    out["single"] = dict(kept=kept.tolist(), median=np.median(values[kept]), spread=values[kept].std())
    print(json.dumps(out))


if __name__ == "__main__":
    with np.errstate(divide="ignore", invalid="ignore"):
        main()
