"""Online variational Bayes for latent Dirichlet allocation, by scikit-learn and scipy.

`digamma`  digamma at the points `x`, by scipy
`inference`  for topics lambda [2, V] and documents (lists of word ids): the normalized gamma that
    LatentDirichletAllocation.transform finds with doc_topic_prior alpha, tightened to its fixed point
`online`  topics after each of several batches of labeled documents, with a prior (1, other) or (other, 1) by label:
    written in numpy from Hoffman, Blei, Bach, "Online Learning for Latent Dirichlet Allocation", 2010, algorithm 2, on dense
    counts, with rho_t = (delay + t)^-decay in batches of one size

Writes data/taggers_lda.json.

Usage: python taggers_lda.py      (needs scikit-learn, scipy)
"""
import json
from pathlib import Path

import numpy as np
from scipy.special import psi
from sklearn.decomposition import LatentDirichletAllocation

V, DOCS, BATCH = 12, 40, 10
rng = np.random.default_rng(5)


def documents():
    labels = rng.integers(0, 2, DOCS)
    weights = np.stack([np.arange(1, V + 1), np.arange(V, 0, -1)]) ** 1.5
    docs = [rng.choice(V, rng.integers(0, 9), p=weights[k] / weights[k].sum()).tolist() for k in labels]
    return labels, docs


def counts(docs):
    return np.array([np.bincount(np.array(doc, dtype=int), minlength=V) for doc in docs], dtype=float)


def expectation(n, log_beta, alpha):
    """Words of a document [V] -> phi [V, 2]."""
    gamma = alpha + n.sum() * alpha / alpha.sum()
    for _ in range(100):
        phi = np.exp(psi(gamma)[:, None] + log_beta)
        phi /= phi.sum(0)
        new = alpha + (phi * n).sum(1)
        change, gamma = np.abs(new - gamma).mean(), new
        if change < 1e-3:
            break
    return phi


def online(labels, n, other, eta, delay, decay):
    topics = np.full((2, V), eta + 0.5 * n.sum() / V)
    after = []
    for t in range(DOCS // BATCH):
        log_beta = psi(topics) - psi(topics.sum(1, keepdims=True))
        expected = np.zeros((2, V))
        for d in range(t * BATCH, (t + 1) * BATCH):
            alpha = np.where(np.arange(2) == labels[d], 1.0, other)
            expected += expectation(n[d], log_beta, alpha) * n[d]
        rho = (delay + t) ** -decay
        topics = (1 - rho) * topics + rho * (eta + DOCS / BATCH * expected)
        after.append(topics.tolist())
    return after


def main():
    labels, docs = documents()
    n = counts(docs)
    x = [1e-3, 0.1, 0.5, 1.0, 2.5, 6.0, 17.3, 1e4, 1e9]
    topics = rng.gamma(2.0, 3.0, (2, V))
    alpha = 0.7
    lda = LatentDirichletAllocation(2, doc_topic_prior=alpha, topic_word_prior=0.5, max_doc_update_iter=10_000,
                                    mean_change_tol=1e-13)
    lda.components_ = topics
    lda.exp_dirichlet_component_ = np.exp(psi(topics) - psi(topics.sum(1, keepdims=True)))
    lda.doc_topic_prior_, lda.n_features_in_ = alpha, V
    share = lda.transform(n)
    result = {
        "digamma": {"x": x, "value": psi(x).tolist()},
        "inference": {"topics": topics.tolist(), "alpha": alpha, "documents": docs, "share": share[:, 1].tolist()},
        "online": {"labels": labels.tolist(), "documents": docs, "batch": BATCH, "other_topic": 0.2, "word_prior": 0.5,
                   "delay": 2.0, "decay": 0.7, "topics": online(labels, n, 0.2, 0.5, 2.0, 0.7)},
    }
    (Path(__file__).parent / "data/taggers_lda.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
