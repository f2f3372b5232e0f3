"""Posterior of a logistic regression with two weights, integrated on a grid.

    python tests/reference/surrogate_logistic.py > tests/reference/data/surrogate_logistic.json

Read by crates/tagwerk-surrogate/tests/posterior/samplers.rs.
"""

import json

import numpy as np


def main():
    rng = np.random.default_rng(20)
    x = np.column_stack([np.ones(20), np.round(rng.normal(size=20), 3)])
    y = np.where(rng.random(20) < 1 / (1 + np.exp(-x @ np.array([0.5, -1.5]))), 1.0, -1.0)
    sigma = 2.0
    a, b = np.meshgrid(np.linspace(-5, 7, 1201), np.linspace(-11, 4, 1501), indexing="ij")
    weights = np.stack([a.ravel(), b.ravel()])
    energy = np.logaddexp(0, -y[:, None] * (x @ weights)).sum(0) + 0.5 * (weights**2).sum(0) / sigma**2
    density = np.exp(energy.min() - energy)
    edge = density.reshape(a.shape)
    assert max(edge[0].max(), edge[-1].max(), edge[:, 0].max(), edge[:, -1].max()) < 1e-6
    density /= density.sum()
    mean = weights @ density
    centered = weights - mean[:, None]
    covariance = (centered * density) @ centered.T
    print(
        json.dumps(
            {
                "x": x.ravel().tolist(),
                "y": y.tolist(),
                "prior_sigma": sigma,
                "mean": mean.tolist(),
                "covariance": covariance.ravel().tolist(),
            }
        )
    )


if __name__ == "__main__":
    main()
