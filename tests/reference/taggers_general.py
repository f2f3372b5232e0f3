"""Scores, loss and one optimizer step of the general networks on jets, grids and decays, by PyTorch in f64.

    python tests/reference/taggers_general.py

Needs what taggers_forward.py needs, and writes what it writes, data/taggers_forward/NAME/, for the networks of
`general_networks.py`. `rows` is [R, 7] for jets, as there, and [B, ...] for what is no jet: pictures and events of fixed
size, drawn at random. Of each network the first seed is taken whose gradients are worth comparing.
"""

import numpy as np
import torch
from safetensors.numpy import save_file

import general_networks as nets
import taggers_forward as forward
import models

torch.set_default_dtype(torch.float64)

NEAREST = ("nearest", 3)


class Start:
    """Weights as those of taggers_forward.py, of a given seed and half as large again: through many layers of few
    channels the differences between examples would fade."""

    seed = 0

    def __call__(self, build):
        model, names = build()
        draws = np.random.default_rng(self.seed)
        ranges = {"gamma": (-0.5, 1.5), "running_mean": (-0.5, 0.5), "running_variance": (0.5, 2.0)}
        for name, tensor in names.items():
            bound = 1.5 * (6.0 / sum(tensor.shape)) ** 0.5 if name.endswith("weight") else 0.3
            low, high = ranges.get(name.split(".")[-1], (-bound, bound))
            drawn = draws.uniform(low, high, tuple(tensor.shape)).astype(np.float32)
            tensor.data.copy_(torch.from_numpy(drawn))
        return model, names


forward.start = Start()


def gradients(build, x, labels, dtype):
    model, names = forward.start(build)
    torch.set_default_dtype(dtype)
    model = model.to(dtype)
    models.loss(model.train()(x.to(dtype)), labels).backward()
    torch.set_default_dtype(torch.float64)
    return {name: t.grad.double() for name, t in model.names().items() if t.grad is not None}


def is_worth_comparing(build, x, labels):
    """Whether the scores tell the examples apart, half of the weights matter, and single precision can tell the
    gradients: a normalization of channels in which hardly a row is alive multiplies its rounding a thousandfold."""
    double, single = (gradients(build, x, labels, dtype) for dtype in (torch.float64, torch.float32))
    alive = torch.cat([g.flatten() != 0 for g in double.values()]).double().mean()
    model, _ = forward.start(build)
    errors = [((single[name] - g).abs() / (1e-5 + 2e-4 * g.abs())).max() for name, g in double.items()]
    return alive > 0.5 and forward.log_odds(model, x).std() > 0.05 and max(errors) < 0.1


def jets():
    rows, offsets, labels = forward.batch("kinematic")
    return rows, offsets, labels, forward.padded(rows, offsets, "kinematic", None)


def arrays(values):
    values = values.astype(np.float32)
    labels = np.arange(len(values)) % 2
    return values, None, labels, torch.from_numpy(values.astype(np.float64))


def pictures(*shape):
    return lambda: arrays(np.random.default_rng(3).normal(size=shape))


def events():
    """Six particles, two features, one of four kinds, a mother among the earlier ones; the last rows are padding."""
    draws = np.random.default_rng(4)
    values = np.zeros((9, 6, 4))
    values[..., 3] = -1
    for b in range(9):
        for i in range(3 + b % 4):
            values[b, i] = [*draws.normal(size=2), draws.integers(0, 4), draws.integers(-1, i) if i else -1]
    return arrays(values)


CASES = {
    "fcn": (lambda: nets.Fcn([140, 12, 8, 1], 20), jets),
    "graphnet": (lambda: nets.GraphNet(NEAREST, 100, 7, [12, 12], [12, 10], [14, 8]), jets),
    "graphnet-padded": (lambda: nets.GraphNet(NEAREST, 100, 7, [12, 12], [12, 10], [14, 8], padded=True), jets),
    "graphnet-grid": (lambda: nets.GraphNet(("grid", 3, 4), 12, 2, [12], [12, 10], [12]), pictures(9, 2, 3, 4)),
    "graphnet-decays": (lambda: nets.GraphNet(("decays",), 6, 3, [12], [12, 10], [12]), events),
    "chebnet": (lambda: nets.ChebNet(("nearest", 4), 7, 0.1, 3, [16, 20], 16), jets),
    "chebnet-grid": (lambda: nets.ChebNet(("grid", 3, 4), 2, 0.1, 4, [16, 20], 16), pictures(9, 2, 3, 4)),
    "gcn": (lambda: nets.Gcn(NEAREST, 7, [16, 16], [16, 16], [16]), jets),
    "gcn-decays": (lambda: nets.Gcn(("decays",), 3, [16, 16], [16, 16], [16], embedding=(2, 4, 3)), events),
    "cnn1d": (lambda: nets.Cnn1d(100, 7, 3, [12, 16], 16), jets),
    "cnn2d": (lambda: nets.Cnn2d((1, 9, 9), [(3, 5, "max"), (4, 6, None)], [7], False), pictures(9, 1, 9, 9)),
    "cnn2d-normalized": (
        lambda: nets.Cnn2d((1, 9, 9), [(4, 5, None), (3, 6, "average"), (2, 8, "average")], [12], True),
        pictures(9, 1, 9, 9),
    ),
    "lstm-resnet": (lambda: nets.LstmResNet(5, (4, 5), 6, 5, (8, 10), 2), pictures(9, 20, 6)),
}


def main():
    for name, (make, examples) in CASES.items():

        def build():
            model = make()
            return model, model.names()

        rows, offsets, labels, x = examples()
        y = torch.from_numpy(labels)
        for forward.start.seed in range(1000):
            if is_worth_comparing(build, x, y):
                break
        model, names = forward.start(build)
        expected = {"rows": rows, "labels": labels.astype(np.float32)}
        if offsets is not None:
            expected["offsets"] = offsets.astype(np.float32)
        weights = forward.values("", names)
        expected["log_odds"] = forward.log_odds(model, x)
        smooth, _, loss = forward.step(build, x, y, lr=1.0, eps=1.0)
        expected["loss"] = np.array([loss], dtype=np.float32)
        expected["smooth.log_odds"] = forward.log_odds(smooth, x)
        _, moved, _ = forward.step(build, x, y, lr=1e-3)
        found = {key: t.grad for key, t in moved.items() if t.grad is not None}
        expected |= forward.values("gradient.", found) | forward.values("adam.", moved)
        folder = forward.HERE / "data" / "taggers_forward" / name
        folder.mkdir(parents=True, exist_ok=True)
        save_file(weights, folder / "weights.safetensors")
        save_file(expected, folder / "expected.safetensors")
        scores = np.array2string(expected["log_odds"], precision=3, max_line_width=200)
        print(f"{name:<18}seed {forward.start.seed:<4}{loss:.4f}  {scores}")


if __name__ == "__main__":
    main()
