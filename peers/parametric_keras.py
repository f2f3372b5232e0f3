"""An epoch of the parametric network of arXiv:2202.00424 in Keras on TensorFlow, as its authors train it; seconds as JSON.

    python peers/parametric_keras.py --train train.csv.gz --method concat --threads 2 --epochs 4 [--json FILE]

Network, loss, optimizer and batches are those of `peers/parametric.py`; batches hold as many signal as background events,
background gets a mass of the signal's list anew in each. Two ways to feed them:

* `sequence`: a Python sequence makes each batch in NumPy, `model.fit` takes it. The original does this.
* `tensors`: events lie in memory as tensors, and batches, masses and step are one compiled function. The most that one can
  ask of TensorFlow.

Validation is left out. Needs `pip install tensorflow-cpu numpy pandas`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np

HIDDEN = (300, 150, 100, 50)


def network(features: int, method: str, dropout: float):
    """Inputs x and m, one logit."""
    import keras

    l2 = keras.regularizers.L2
    x = events = keras.Input((features,))
    m = keras.Input((1,))
    if method == "concat":
        x = keras.layers.Concatenate()([x, m])
    dense = {"kernel_initializer": "he_uniform", "kernel_regularizer": l2(1e-5), "bias_regularizer": l2(1e-6)}
    for width in HIDDEN:
        x = keras.layers.Dense(width, activation="relu", **dense)(x)
        if method == "affine":
            scale = keras.layers.Dense(width, kernel_initializer="zeros", bias_initializer="ones")(m)
            shift = keras.layers.Dense(width, kernel_initializer="zeros")(m)
            x = keras.layers.Add()([keras.layers.Multiply()([x, scale]), shift])
        x = keras.layers.Dropout(dropout)(x)
    return keras.Model([events, m], keras.layers.Dense(1, **dense)(x))


def balanced(rng: np.random.Generator, pools: list[np.ndarray], batch: int, steps: int) -> np.ndarray:
    """Rows of an epoch, `[steps, batch]`: half of each batch of each class."""
    halves = []
    for pool in pools:
        need = steps * (batch // 2)
        draws = np.concatenate([rng.permutation(pool) for _ in range(-(-need // len(pool)))])
        halves.append(draws[:need].reshape(steps, -1))
    return np.concatenate(halves, axis=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--method", default="concat", choices=("concat", "affine"))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--dropout", type=float, default=0.25)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path)
    a = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import pandas as pd
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(a.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(1)
    table = pd.read_csv(a.train)
    label = table[table.columns[0]].to_numpy(np.float32)
    x = table[[c for c in table.columns if c[0] == "f" and c[1:].isdigit()]].to_numpy(np.float32)
    mass = table["mass"].to_numpy(np.float32).round(1)
    rng = np.random.default_rng(1)
    kept = rng.permutation(len(label))[: 3 * len(label) // 4]
    x = (x - x[kept].mean(0)) / x[kept].std(0)
    points = np.unique(mass[kept][label[kept] == 1])
    pools = [kept[label[kept] == 0], kept[label[kept] == 1]]
    steps = -(-len(kept) // a.batch)

    def fresh():
        model = network(x.shape[1], a.method, a.dropout)
        optimizer = keras.optimizers.Adam(5e-4, epsilon=1e-7)
        model.compile(optimizer, keras.losses.BinaryCrossentropy(from_logits=True))
        return model

    class Batches(keras.utils.PyDataset):
        """Batches as the original draws them."""

        def __init__(self) -> None:
            super().__init__()
            self.rows = balanced(rng, pools, a.batch, steps)

        def __len__(self) -> int:
            return steps

        def __getitem__(self, i: int):
            rows = self.rows[i]
            m = np.where(label[rows] > 0.5, mass[rows], rng.choice(points, len(rows)))
            return (x[rows], (m / 1000).astype(np.float32)[:, None]), label[rows][:, None]

        def on_epoch_end(self) -> None:
            self.rows = balanced(rng, pools, a.batch, steps)

    class Clock(keras.callbacks.Callback):
        """Seconds of each epoch."""

        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch, logs=None) -> None:
            self.begin = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None) -> None:
            self.seconds.append(time.perf_counter() - self.begin)

    clock = Clock()
    # The first epoch compiles.
    model = fresh()
    model.fit(Batches(), epochs=a.epochs + 1, verbose=0, callbacks=[clock])
    sequence = clock.seconds[1:]

    model = fresh()
    model.optimizer.build(model.trainable_variables)
    events, labels, masses, list_of = tf.constant(x), tf.constant(label), tf.constant(mass), tf.constant(points)

    @tf.function
    def step(rows):
        y = tf.gather(labels, rows)
        drawn = tf.gather(list_of, tf.random.uniform(tf.shape(rows), 0, len(points), tf.int32))
        m = tf.where(y > 0.5, tf.gather(masses, rows), drawn) / 1000
        with tf.GradientTape() as tape:
            logits = model([tf.gather(events, rows), m[:, None]], training=True)[:, 0]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(y, logits)) + tf.add_n(model.losses)
        model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    tensors = []
    for epoch in range(a.epochs + 1):
        begin = time.perf_counter()
        for rows in tf.constant(balanced(rng, pools, a.batch, steps).astype(np.int32)):
            loss = step(rows)
        loss = float(loss)
        if epoch > 0:
            tensors.append(time.perf_counter() - begin)
    result = {
        "method": a.method,
        "threads": a.threads,
        "tensorflow": tf.__version__,
        "parameters": int(model.count_params()),
        "events": len(kept),
        "steps": steps,
        "loss": loss,
        "sequence_epoch_seconds": statistics.median(sequence),
        "tensors_epoch_seconds": statistics.median(tensors),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if a.json:
        a.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
