"""Variances that AdamMCMC and its relatives sample from a Gaussian of variances 1 and 0.25, with and without the errors
of the released codes: an independent implementation, 4,000 chains at once.

    python tests/reference/surrogate_adam_mcmc_toy.py > tests/reference/data/surrogate_adam_mcmc_toy.json

Learning rate 0.1, s = 0.3 and sD = 3 per weight, lambda = 1. Read by crates/tagwerk-surrogate/tests/posterior/toy.rs.
"""

import json

import numpy as np

PRECISION = np.array([1.0, 4.0])
RATE, S = 0.1, 0.3


def log_density(residual, step, along, halves):
    uu = (step * step).sum(1)
    ru = (residual * step).sum(1)
    value = -0.5 * (residual * residual).sum(1) / S**2
    if along > 0:
        value += 0.5 * ru**2 / (S**4 / along**2 + S**2 * uu) - halves * np.log1p(along**2 * uu / S**2)
    return value


def sample(reverse, beta, along=3.0, per_component=False, halves=0.5, frozen=False, chains=4000, steps=5000):
    rng = np.random.default_rng(97)
    x = rng.normal(size=(chains, 2)) / np.sqrt(PRECISION)
    first, second, count = np.zeros((chains, 2)), np.zeros((chains, 2)), 0
    squares, seen = np.zeros(2), 0
    burn_in = 500 if beta < 0.995 else 5000

    def adam(gradient):
        m = beta * first + (1 - beta) * gradient
        v = beta * second + (1 - beta) * gradient**2
        correction = 1 - beta ** (count + 1)
        step = RATE * (m / correction) / (np.sqrt(v / correction) + 1e-8)
        # E[g^2] of the target is its precision.
        return (RATE * gradient / np.sqrt(PRECISION) if frozen else step), m, v

    for t in range(burn_in + steps):
        step, m, v = adam(PRECISION * x)
        xi = rng.normal(size=(chains, 2 if per_component else 1))
        proposal = x - step + S * rng.normal(size=(chains, 2)) - along * xi * step
        back = step if reverse == "same" else adam(PRECISION * proposal)[0]
        ratio = 0.5 * (PRECISION * (x**2 - proposal**2)).sum(1)
        ratio += log_density(x - (proposal - back), back, along, halves)
        ratio -= log_density(proposal - (x - step), step, along, halves)
        accepted = np.log(rng.random(chains)) < ratio
        first, second, count = m, v, count + 1
        x = np.where(accepted[:, None], proposal, x)
        if t >= burn_in:
            squares += (x * x).sum(0)
            seen += chains
    return (squares / seen).tolist()


def main():
    cells = []
    for beta in [0.0, 0.9, 0.99, 0.999]:
        for name, reverse, per_component in [
            ("same-update", "same", False),
            ("recompute", "new", False),
            ("recompute, noise per component", "new", True),
        ]:
            cells.append((name, beta, sample(reverse, beta, per_component=per_component)))
    cells.append(("frozen", 0.0, sample("new", 0.0, frozen=True)))
    cells.append(("frozen, whole determinant", 0.0, sample("new", 0.0, frozen=True, halves=1.0)))
    cells.append(("same-update, no long axis", 0.0, sample("same", 0.0, along=0.0)))
    cells.append(("recompute, no long axis", 0.0, sample("new", 0.0, along=0.0)))
    print(json.dumps([{"cell": name, "beta": beta, "variances": v} for name, beta, v in cells], indent=1))


if __name__ == "__main__":
    main()
