"""R-hat and effective sample sizes of small chains, by ArviZ.

    pip install numpy arviz-stats
    python tests/reference/surrogate_diagnostics.py > tests/reference/data/surrogate_diagnostics.json

Read by crates/tagwerk-surrogate/tests/posterior/diagnostics.rs. The values of the chains are in the file, rounded to
six digits before ArviZ sees them.
"""

import json

import numpy as np
from arviz_stats.base import array_stats


def autoregressive(rng, chains, draws, memory):
    noise = rng.normal(size=(chains, draws))
    series = np.empty_like(noise)
    series[:, 0] = noise[:, 0]
    for t in range(1, draws):
        series[:, t] = memory * series[:, t - 1] + np.sqrt(1 - memory**2) * noise[:, t]
    return series


def main():
    rng = np.random.default_rng(1903)
    cases = {
        "independent": rng.normal(size=(4, 60)),
        "autoregressive": autoregressive(rng, 4, 120, 0.8),
        "alternating": autoregressive(rng, 4, 60, -0.7),
        "shifted": autoregressive(rng, 4, 60, 0.3) + np.array([[0.0], [0.0], [0.0], [2.0]]),
        "wider": autoregressive(rng, 4, 60, 0.3) * np.array([[1.0], [1.0], [1.0], [4.0]]),
        "heavy_tails": rng.standard_cauchy(size=(4, 60)),
        "drifting": rng.normal(size=(2, 60)) + np.linspace(0, 2, 60),
        "odd_length": autoregressive(rng, 3, 61, 0.5),
        "with_ties": np.round(rng.normal(size=(4, 60))),
        "one_chain": autoregressive(rng, 1, 120, 0.9),
        "few_draws": rng.normal(size=(2, 10)),
        "fewest_draws": rng.normal(size=(2, 4)),
    }
    result = []
    for name, values in cases.items():
        values = np.round(values, 6)
        one = values.shape[0] == 1
        # ArviZ asks for two chains; the halves of one chain are what R-hat is then made of.
        half = values.shape[1] // 2
        halves = np.vstack([values[:, :half], values[:, -half:]]) if one else None
        rhat = array_stats._rhat_rank(values) if not one else split_rhat(halves)
        result.append(
            {
                "name": name,
                "chains": values.tolist(),
                "rhat": float(rhat),
                "ess_bulk": float(array_stats._ess_bulk(values)),
                "ess_tail": float(array_stats._ess_tail(values, (0.05, 0.95))),
                "autocorrelation": (
                    array_stats.autocov(values[0], axis=-1)[:4] / array_stats.autocov(values[0], axis=-1)[0]
                ).tolist(),
            }
        )
    print(json.dumps(result))


def split_rhat(halves):
    folded = np.abs(halves - np.median(halves))
    return max(
        array_stats._rhat(array_stats._z_scale(halves)),
        array_stats._rhat(array_stats._z_scale(folded)),
    )


if __name__ == "__main__":
    main()
