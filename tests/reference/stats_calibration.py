"""Calibration, spread and distance of predictive distributions, by numpy and scipy.

Needs numpy and scipy. Run as

    python tests/reference/stats_calibration.py > crates/tagwerk-stats/tests/reference/calibration.json
"""

import json

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree
from scipy.spatial.distance import jensenshannon, mahalanobis

rng = np.random.default_rng(2402)
LEVELS = [0.5, 0.68, 0.9, 0.95]


def wilson(count, rows):
    interval = stats.binomtest(count, rows).proportion_ci(2 * stats.norm.cdf(1) - 1, method="wilson")
    return {"count": count, "rows": rows, "low": interval.low, "high": interval.high}


def pit(values):
    ks = stats.kstest(values, "uniform")
    counts = np.histogram(values, bins=10, range=(0, 1))[0]
    chi2 = stats.chisquare(counts)
    return {
        "values": values.tolist(),
        "counts": counts.tolist(),
        "ks": ks.statistic,
        "ks_p_value": ks.pvalue,
        "chi2": chi2.statistic,
        "chi2_p_value": chi2.pvalue,
        "mean": values.mean(),
        "variance": values.var(),
    }


def coverage():
    u = rng.random(200).round(6)
    variable = np.round(rng.normal(size=200), 6)
    classes = rng.integers(0, 2, 200)

    def inside(u):
        return [float(np.mean((u >= (1 - a) / 2) & (u <= (1 + a) / 2))) for a in LEVELS]

    order = np.argsort(variable, kind="stable")
    return {
        "pit": u.tolist(),
        "variable": variable.tolist(),
        "classes": classes.tolist(),
        "overall": inside(u),
        "bins": [inside(u[rows]) for rows in np.array_split(order, 5)],
        "by_class": [inside(u[classes == c]) for c in (0, 1)],
    }


def samples():
    rows, draws = 60, 25
    x = rng.normal(size=(rows, draws)).round(6)
    y = rng.normal(0.2, 1.2, size=rows).round(6)
    levels = np.arange(11) / 10
    quantiles = np.quantile(x, levels, axis=1)
    pairs = np.abs(x[:, :, None] - x[:, None, :]).sum(axis=(1, 2)) / (2 * draws * (draws - 1))
    return {
        "samples": x.ravel().tolist(),
        "observed": y.tolist(),
        "curve": [float(c) for c in np.mean(quantiles >= y, axis=1)],
        "crps": (np.abs(x - y[:, None]).mean(axis=1) - pairs).tolist(),
        "pit": stats.norm.cdf(y).tolist(),
        "pit_of_a_member": stats.norm.cdf(y, 0.3, 1.1).tolist(),
    }


def ranks():
    r = rng.integers(0, 100, 400)
    counts = np.histogram(r, bins=20, range=(0, 100))[0]
    chi2 = stats.chisquare(counts)
    return {"ranks": r.tolist(), "counts": counts.tolist(), "chi2": chi2.statistic, "chi2_p_value": chi2.pvalue}


def intervals():
    y = rng.normal(size=80).round(6)
    low, high = np.round(-0.8 + 0.1 * rng.normal(size=80), 6), np.round(0.7 + 0.1 * rng.normal(size=80), 6)
    scores = np.maximum(low - y, y - high)
    fits = []
    for level in (0.5, 0.68, 0.9, 0.95):
        share = np.ceil(81 * level) / 80
        fits.append({"level": level, "growth": float(np.quantile(scores, share, method="inverted_cdf"))})
    return {"low": low.tolist(), "high": high.tolist(), "observed": y.tolist(), "fits": fits}


def class_entropy(members, classes):
    p = rng.dirichlet(np.ones(classes) * 0.7, size=members)
    total, expected = stats.entropy(p.mean(axis=0)), stats.entropy(p, axis=1).mean()
    return {
        "classes": classes,
        "probabilities": p.ravel().tolist(),
        "total": total,
        "expected": expected,
        "mutual_information": total - expected,
    }


def epistemic():
    members, draws = 11, 40
    s = 1 / (1 + np.exp(-(rng.normal(size=draws) * 3 + 0.6 * rng.normal(size=(members, 1)))))
    histograms = np.array([np.histogram(row, bins=20, range=(0, 1))[0] for row in s]) / draws
    high, low = np.quantile(s, [0.84, 0.16], axis=0)
    return {
        "members": members,
        "scores": s.ravel().tolist(),
        "range": np.mean(s.max(axis=0) - s.min(axis=0)),
        "deviation": np.mean(s.std(axis=0, ddof=1)),
        "quantile_range": np.mean(high - low),
        "histogram": np.mean(histograms.max(axis=0) - histograms.min(axis=0)),
    }


def domain():
    mixing = np.array([[100, 0, 0], [20, 3, 0], [0.3, 0.1, 0.5]])
    rows = (rng.normal(size=(150, 3)) @ mixing.T + [600, 40, 0]).round(6)
    queries = (rng.normal(size=(20, 3)) * 2 @ mixing.T + [650, 40, 0]).round(6)
    inverse = np.linalg.inv(np.cov(rows.T))
    mean, deviation = rows.mean(axis=0), rows.std(axis=0, ddof=1)
    tree = cKDTree((rows - mean) / deviation)
    return {
        "rows": rows.ravel().tolist(),
        "queries": queries.ravel().tolist(),
        "mahalanobis": [mahalanobis(q, mean, inverse) for q in queries],
        "neighbor_10": tree.query((queries - mean) / deviation, k=10)[0][:, 9].tolist(),
    }


def shannon(a, b):
    return {"a": a, "b": b, "distance": float(jensenshannon(a, b))}


kolmogorov = [
    {"n": n, "distance": float(d), "tail": float(stats.kstwo.sf(d, n))}
    for n in (1, 5, 20, 100, 500, 501, 3000, 10_000, 1_000_000)
    for d in np.array([0.3, 0.5, 0.7, 0.9, 1.1, 1.4, 1.8, 2.5]) / np.sqrt(n)
    if 0.5 / n < d < 1
]
chi_square = [
    {"chi2": c, "degrees": k, "tail": float(stats.chi2.sf(c, k))}
    for k in (1, 2, 9, 19, 99, 1000)
    for c in (0.5, 1.0, 8.3, 19.0, 60.0, 150.0, 1100.0)
    if stats.chi2.sf(c, k) > 1e-200
]
normal = [
    {"x": float(x), "cdf": float(stats.norm.cdf(x)), "p": float(p), "quantile": float(stats.norm.ppf(p))}
    for x, p in zip(np.linspace(-30, 7, 38), np.concatenate([10.0 ** -np.arange(1, 30), np.arange(1, 10) / 10]))
]
print(
    json.dumps(
        {
            "wilson": [wilson(*c) for c in ((0, 10), (3, 10), (10, 10), (6812, 10_000), (1, 100_000))],
            "normal": normal,
            "chi_square": chi_square,
            "kolmogorov": kolmogorov,
            "pit": [pit(rng.random(50)), pit(rng.beta(0.8, 0.9, 300))],
            "coverage": coverage(),
            "samples": samples(),
            "ranks": ranks(),
            "intervals": intervals(),
            "jensen_shannon": [
                shannon([1, 5, 0, 2], [2, 3, 1, 0]),
                shannon(rng.integers(0, 900, 19).tolist(), rng.integers(0, 900, 19).tolist()),
            ],
            "class_entropy": [class_entropy(1, 3), class_entropy(10, 2), class_entropy(7, 10)],
            "epistemic": epistemic(),
            "domain": domain(),
        }
    )
)
