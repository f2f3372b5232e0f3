"""The views of a jet that the peers read, computed with numpy in double precision.

A jet is the list of its constituents (pt in GeV, eta, phi in radians, all massless), by falling pt. Sums over
a jet (its four-vector, its pt-weighted center, its principal axis) run over *all* constituents of the file, at
most 200; afterwards the leading `width` constituents are kept and shorter jets are padded with zero rows.

| view        | array            | taggers               |
|-------------|------------------|-----------------------|
| `kinematic` | [B, width, 7]    | ParticleNet           |
| `cloud`     | [B, width, 3]    | EFN, PFN              |
| `topodnn`   | [B, 90]          | TopoDNN               |
| `standardized` | [B, 128, 11]  | Particle Transformer  |
| `four-vectors-200` | [B, 200, 4] | LorentzNet          |
| `image`     | [B, 1, 64, 64]   | ResNeXt               |
| `image-upright` | [B, 1, 40, 40] | CNN                 |
| `m-body-M`  | [B, 3 M - 2]     | N-subjettiness        |
| `four-vectors` | [B, width, 4] | LoLa, LBN             |
| `kt-tree`   | [B, 399, 8]      | TreeNiN               |

Axes: `B` jets, `P` constituents after padding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

WIDTH = 100
"""Constituents that the padded reference taggers look at."""

CHUNK = 5_000
"""Jets preprocessed at once: bounds the memory, changes no number."""

TOPODNN_CONSTITUENTS = 30
TOPODNN_PT_SCALE = 1679.1593231
"""Largest pt of the original training sample in GeV (arXiv:1704.02124)."""


@dataclass(frozen=True)
class Jets:
    """Jagged jets: jet `b` owns the constituents `offsets[b] .. offsets[b + 1]`."""

    pt: Floats
    eta: Floats
    phi: Floats
    offsets: NDArray[np.int64]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def slice(self, start: int, stop: int) -> Jets:
        """The jets `start .. stop`."""
        offsets = self.offsets[start : stop + 1]
        first, last = offsets[0], offsets[-1]
        return Jets(
            self.pt[first:last],
            self.eta[first:last],
            self.phi[first:last],
            offsets - first,
            self.labels[start:stop],
        )

    def padded(self) -> tuple[Floats, Floats, Floats, Mask]:
        """pt, eta, phi and the mask of real constituents, each [B, longest jet] and zero where padded."""
        counts = np.diff(self.offsets)
        columns = np.arange(max(2, counts.max(initial=0)))
        mask = columns < counts[:, None]
        source = np.where(mask, self.offsets[:-1, None] + columns, 0)

        def pad(values: Floats) -> Floats:
            if len(values) == 0:
                return np.zeros(mask.shape)
            return np.where(mask, values[source], 0.0)

        return pad(self.pt), pad(self.eta), pad(self.phi), mask


def read_jets(path: Path | str) -> Jets:
    """Reads all jets of a Parquet file with columns `label`, `constituent_pt`, `_eta`, `_phi`."""
    names = ["constituent_pt", "constituent_eta", "constituent_phi"]
    table = pq.read_table(path, columns=["label", *names])
    lists = [table[name].combine_chunks() for name in names]
    offsets = np.asarray(lists[0].offsets, dtype=np.int64)
    pt, eta, phi = (np.asarray(column.values, dtype=np.float64) for column in lists)
    return Jets(pt, eta, phi, offsets, table["label"].to_numpy().astype(np.int64))


def split(rows: int) -> dict[str, tuple[int, int]]:
    """Row ranges of the three parts: 60 % training, 20 % validation, 20 % test."""
    first, second = rows * 60 // 100, rows * 80 // 100
    return {"train": (0, first), "val": (first, second), "test": (second, rows)}


def wrap(angle: Floats) -> Floats:
    """An angle brought into (-pi, pi]."""
    return np.pi - np.mod(np.pi - angle, 2.0 * np.pi)


def kinematic(jets: Jets, width: int = WIDTH) -> NDArray[np.float32]:
    """The seven features of ParticleNet (arXiv:1902.08570), [B, width, 7].

    log pt, log E, deta, dphi, log pt/pt_jet, log E/E_jet, dR; natural logarithms, GeV. The jet is the
    four-vector sum. deta is mirrored so that jets at negative eta look like jets at positive eta.
    """
    pt, eta, phi, mask = jets.padded()
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    energy = pt * np.cosh(eta)
    jet_px, jet_py, jet_pz, jet_energy = (p.sum(1, keepdims=True) for p in (px, py, pz, energy))
    jet_pt = np.hypot(jet_px, jet_py)
    with np.errstate(divide="ignore", invalid="ignore"):  # padded rows and empty jets, masked below
        jet_eta = np.arcsinh(jet_pz / jet_pt)
        sign = np.where(jet_eta < 0.0, -1.0, 1.0)
        deta = (eta - jet_eta) * sign
        dphi = wrap(phi - np.arctan2(jet_py, jet_px))
        columns = [
            np.log(pt),
            np.log(energy),
            deta,
            dphi,
            np.log(pt / jet_pt),
            np.log(energy / jet_energy),
            np.hypot(deta, dphi),
        ]
    return _stack(columns, mask, width)


def cloud(jets: Jets, width: int = WIDTH, rotate: bool = False) -> NDArray[np.float32]:
    """(z, y, phi) of EFN and PFN (arXiv:1810.05165), [B, width, 3].

    z = pt / sum pt; y and phi relative to their pt-weighted mean (phi first relative to the leading
    constituent, so that no jet is torn at +-pi). A massless constituent has rapidity y = eta.
    With `rotate` the principal axis of the pt-weighted second moments is turned to vertical (along phi) and the
    jet is reflected so that the half with y > 0 and the half with phi > 0 carry the larger pt.
    """
    pt, eta, phi, mask = jets.padded()
    total = pt.sum(1, keepdims=True)
    z = pt / np.where(total > 0.0, total, 1.0)
    dphi = wrap(phi - phi[:, :1]) * mask
    y = (eta - (z * eta).sum(1, keepdims=True)) * mask
    dphi = (dphi - (z * dphi).sum(1, keepdims=True)) * mask
    if rotate:
        yy, pp, yp = ((z * m).sum(1) for m in (y * y, dphi * dphi, y * dphi))
        turn = np.pi / 2.0 - 0.5 * np.arctan2(2.0 * yp, yy - pp)
        cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
        y, dphi = y * cos - dphi * sin, y * sin + dphi * cos
        y, dphi = _reflect(z, y), _reflect(z, dphi)
    return _stack([z, y, dphi], mask, width)


def cloud_rotated(jets: Jets, width: int = WIDTH) -> NDArray[np.float32]:
    """`cloud` with rotation and reflection."""
    return cloud(jets, width, rotate=True)


def topodnn(jets: Jets) -> NDArray[np.float32]:
    """pt, eta, phi of the 30 leading constituents, [B, 90] in the order pt_0, eta_0, phi_0, pt_1, .. (1704.02124).

    pt is scaled, the leading constituent moved to the origin, the jet rotated in the (py, pz) plane until the
    second constituent lies on the negative phi axis, and mirrored in eta if sum pt * eta is negative.
    Padded constituents are zero. A jet of one constituent has no second one: it is turned by pi/2.
    """
    pt, eta, phi, mask = (_cut(column, TOPODNN_CONSTITUENTS) for column in jets.padded())
    pt = pt / TOPODNN_PT_SCALE
    eta = (eta - eta[:, :1]) * mask
    phi = (phi - phi[:, :1]) * mask
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    turn = np.arctan2(py[:, 1], pz[:, 1]) + np.pi / 2.0
    cos, sin = np.cos(turn)[:, None], np.sin(turn)[:, None]
    py, pz = py * cos - pz * sin, pz * cos + py * sin
    pt = np.hypot(px, py)
    eta = np.arcsinh(np.divide(pz, pt, out=np.zeros_like(pz), where=pt > 0.0))
    phi = np.arctan2(py, px) * mask
    eta = np.where((pt * eta).sum(1, keepdims=True) < 0.0, -eta, eta)
    return _stack([pt, eta, phi], mask, TOPODNN_CONSTITUENTS).reshape(len(jets), -1)


def image(jets: Jets, side: int = 64, half: float = 0.8) -> NDArray[np.float32]:
    """pT / pT_jet in pixels of (deta, dphi) about the jet axis, [B, 1, side, side], rows along phi."""
    pt, eta, phi, mask = jets.padded()
    px, py, pz = ((pt * f).sum(1, keepdims=True) for f in (np.cos(phi), np.sin(phi), np.sinh(eta)))
    jet_pt = np.hypot(px, py)
    jet_eta = np.arcsinh(pz / jet_pt)
    deta = (eta - jet_eta) * np.where(jet_eta < 0.0, -1.0, 1.0)
    return _pixels(pt / jet_pt, deta, wrap(phi - np.arctan2(py, px)), mask, side, half)


def image_upright(jets: Jets, side: int = 40, half: float = 0.8) -> NDArray[np.float32]:
    """Centered, turned upright and mirrored as `cloud_rotated`, [B, 1, side, side]; the pixels of a jet sum to 1."""
    longest = int(np.diff(jets.offsets).max(initial=1))
    z, y, phi = np.moveaxis(cloud(jets, longest, rotate=True).astype(np.float64), -1, 0)
    picture = _pixels(z, y, phi, z > 0.0, side, half)
    total = picture.sum((1, 2, 3), keepdims=True)
    return picture / np.where(total > 0.0, total, 1.0)


def _pixels(weight: Floats, x: Floats, y: Floats, mask: Mask, side: int, half: float) -> NDArray[np.float32]:
    column, row = (np.floor((c / half + 1.0) * 0.5 * side).astype(np.int64) for c in (x, y))
    inside = mask & (column >= 0) & (column < side) & (row >= 0) & (row < side)
    picture = np.zeros((len(weight), 1, side, side), dtype=np.float64)
    jet = np.broadcast_to(np.arange(len(weight))[:, None], inside.shape)
    np.add.at(picture, (jet[inside], 0, row[inside], column[inside]), weight[inside])
    return picture.astype(np.float32)


def m_body(jets: Jets, bodies: int) -> NDArray[np.float32]:
    """tau_1 to tau_(M-1) with powers 0.5, 1, 2 about exclusive kT axes by FastJet (the first power of the last is left
    out), then pT and mass in TeV, [B, 3 M - 2]."""
    import fastjet as fj

    definition = fj.JetDefinition(fj.kt_algorithm, 1000.0)
    rows = []
    for b in range(len(jets)):
        part = slice(jets.offsets[b], jets.offsets[b + 1])
        pt, eta, phi = jets.pt[part], jets.eta[part], jets.phi[part]
        p = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)], 1)
        total = p.sum(0)
        jet_pt = np.hypot(total[0], total[1])
        sequence = fj.ClusterSequence([fj.PseudoJet(*row) for row in p], definition)
        values: list[float] = []
        for n in range(1, bodies):
            distance = np.zeros(len(pt))
            if n < len(pt):
                axes = np.array([(jet.rap(), jet.phi_std()) for jet in sequence.exclusive_jets(n)])
                dphi = np.abs(wrap(phi[:, None] - axes[:, 1]))
                distance = np.hypot(eta[:, None] - axes[:, 0], dphi).min(1)
            powers = (1.0, 2.0) if n == bodies - 1 else (0.5, 1.0, 2.0)
            values += [float((pt * distance**power).sum() / jet_pt) for power in powers]
        mass = np.sqrt(max(total[3] ** 2 - (total[:3] ** 2).sum(), 0.0))
        rows.append([*values, jet_pt / 1000.0, mass / 1000.0])
    return np.array(rows, dtype=np.float32)


def four_vectors(jets: Jets, width: int = WIDTH) -> NDArray[np.float32]:
    """(E, px, py, pz) in GeV, [B, width, 4]."""
    pt, eta, phi, mask = jets.padded()
    return _stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], mask, width)


def kt_tree(jets: Jets) -> NDArray[np.float32]:
    """The kT tree of `tree_network.kt_trees`."""
    import tree_network

    return tree_network.kt_trees(jets)


STANDARDIZATION = ((1.7, 0.7), (2.0, 0.7), None, None, (-4.7, 0.7), (-4.7, 0.7), (0.2, 4.0))
"""What is subtracted from each kinematic feature, and what it is multiplied with after (arXiv:2202.03772)."""


def standardized(jets: Jets, width: int = 128) -> NDArray[np.float32]:
    """The seven kinematic features, standardized and cut to [-5, 5], and the four-vector: [B, width, 11]."""
    features, vectors = kinematic(jets, width), four_vectors(jets, width)
    real = (vectors != 0.0).any(-1)
    for column, constants in zip(np.moveaxis(features, -1, 0), STANDARDIZATION, strict=True):
        if constants is not None:
            shift, scale = constants
            column[real] = np.clip((column[real] - shift) * scale, -5.0, 5.0)
    return np.concatenate([features, vectors], -1)


VIEWS: dict[str, Callable[[Jets], NDArray[np.float32]]] = {
    "kinematic": kinematic,
    "four-vectors-200": lambda jets: four_vectors(jets, 200),
    "standardized": standardized,
    "cloud": cloud,
    "cloud-rotated": cloud_rotated,
    "topodnn": topodnn,
    "image": image,
    "image-upright": image_upright,
    "m-body-6": lambda jets: m_body(jets, 6),
    "m-body-8": lambda jets: m_body(jets, 8),
    "four-vectors": four_vectors,
    "kt-tree": kt_tree,
}


def compute(view: str, jets: Jets) -> NDArray[np.float32]:
    """The named view of all jets, in chunks."""
    if len(jets) == 0:
        raise ValueError("no jets to preprocess")
    starts = range(0, len(jets), CHUNK)
    return np.concatenate([VIEWS[view](jets.slice(s, min(s + CHUNK, len(jets)))) for s in starts])


def _reflect(z: Floats, x: Floats) -> Floats:
    """Mirrors x where its negative half carries more pt."""
    positive, negative = (z * (x > 0.0)).sum(1), (z * (x < 0.0)).sum(1)
    return np.where((negative > positive)[:, None], -x, x)


def _cut(column: NDArray, width: int) -> NDArray:
    """The first `width` columns, padded with zeros if there are fewer."""
    column = column[:, :width]
    return np.pad(column, ((0, 0), (0, width - column.shape[1])))


def _stack(columns: list[Floats], mask: Mask, width: int) -> NDArray[np.float32]:
    """Columns [B, P] to features [B, width, C] in single precision, zero where padded."""
    kept = _cut(mask, width)
    return np.stack([np.where(kept, _cut(c, width), 0.0) for c in columns], axis=-1).astype(np.float32)
