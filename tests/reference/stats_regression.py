"""Mean squared error, bias and resolution with their errors, by numpy, of predictions made by a formula.

Needs numpy. Run as

    python tests/reference/stats_regression.py > crates/tagwerk-stats/tests/reference/regression.json
"""

import json

import numpy as np

n = 400
rng = np.random.default_rng(12)
target = np.round(rng.normal(750, 60, n), 3)
shared = rng.normal(0, 25, n) + np.where(rng.random(n) < 0.03, 100, 0)
a = np.round(target + 3 + shared + rng.normal(0, 10, n), 3)
b = np.round(target - 2 + 0.9 * shared + rng.normal(0, 12, n), 3)


def numbers(p):
    d = p - target
    c = d - d.mean()
    m2, m4 = np.mean(c**2), np.mean(c**4)
    return {
        "mse": np.mean(d**2),
        "mse_error": np.std(d**2) / np.sqrt(n),
        "bias": d.mean(),
        "bias_error": np.std(d) / np.sqrt(n),
        "resolution": np.std(target - p),
        "resolution_error": np.sqrt((m4 - m2**2) / (4 * m2 * n)),
    }


draws = []
for _ in range(4000):
    rows = rng.integers(0, n, n)
    d, e = (a - target)[rows], (b - target)[rows]
    draws.append([np.mean(d**2), d.mean(), d.std(), d.std() - e.std()])
print(
    json.dumps(
        {
            "target": target.tolist(),
            "a": a.tolist(),
            "b": b.tolist(),
            "numbers_a": numbers(a),
            "numbers_b": numbers(b),
            "target_spread": np.std(target),
            "bootstrap_errors_of_a_and_of_the_difference": np.std(draws, axis=0).tolist(),
        }
    )
)
