"""Figures of merit of a tagger, by the conventions of the top-tagging landscape (arXiv:1902.09914)."""

from __future__ import annotations

from math import sqrt
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score, roc_curve


class Rejection(TypedDict):
    """1 / (background efficiency) at a signal efficiency, with its Bernoulli error; None where no background passes."""

    value: float | None
    test_error: float | None


class Figures(TypedDict):
    """What a test sample says about scores."""

    auc: float
    accuracy: float
    rejection_30: Rejection
    rejection_50: Rejection
    n_signal: int
    n_background: int


def figures(scores: NDArray, labels: NDArray) -> Figures:
    """AUC, accuracy at a cut of 0.5, and background rejection at signal efficiencies 0.3 and 0.5.

    The background efficiency is interpolated linearly in the signal efficiency between all distinct thresholds.
    """
    scores = scores.astype(np.float64)
    background, signal, _ = roc_curve(labels, scores, drop_intermediate=False)
    n_signal = int(labels.sum())
    n_background = len(labels) - n_signal

    def rejection(working_point: float) -> Rejection:
        passed = float(np.interp(working_point, signal, background))
        if passed <= 0.0:
            return {"value": None, "test_error": None}
        value = 1.0 / passed
        return {"value": value, "test_error": value * sqrt(value / n_background)}

    return {
        "auc": float(roc_auc_score(labels, scores)),
        "accuracy": float(np.mean(np.rint(scores) == labels)),
        "rejection_30": rejection(0.3),
        "rejection_50": rejection(0.5),
        "n_signal": n_signal,
        "n_background": n_background,
    }
