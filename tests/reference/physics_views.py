"""Expected views of the first 50 jets of physics_jets.parquet, in plain numpy, written from the formulas.

Writes data/physics_views.parquet, one row a jet, flattened row-major:
  particlenet          at most 40 constituents x 7 features
  pfn_plain            at most 40 x (z, y, phi), centered only
  pfn                  the same, rotated and reflected
  topodnn              90
  cnn, resnext         (pixel, value) pairs of the non-zero pixels of 40 x 40 and 64 x 64
  mass, pt, eta        of the jet

Usage: python physics_views.py
"""
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data"
COUNT, LEADING = 50, 40


def wrap(angle):
    """Into [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def jet_vector(v):
    e, px, py, pz = v.sum(axis=1)
    pt = np.hypot(px, py)
    return e, pt, np.arctanh(pz / np.sqrt(pt**2 + pz**2)), np.arctan2(py, px), np.sqrt(e**2 - pt**2 - pz**2)


def particlenet(v):
    jet_e, jet_pt, jet_eta, jet_phi, _ = jet_vector(v)
    e, px, py, pz = v[:, :LEADING]
    pt = np.hypot(px, py)
    deta = (np.arcsinh(pz / pt) - jet_eta) * (1 if jet_eta >= 0 else -1)
    dphi = wrap(np.arctan2(py, px) - jet_phi)
    return np.stack([np.log(pt), np.log(e), deta, dphi, np.log(pt / jet_pt), np.log(e / jet_e), np.hypot(deta, dphi)], 1)


def turn(weight, points):
    """Principal axis onto the second coordinate, heavier halves to positive coordinates."""
    values, vectors = np.linalg.eigh(np.einsum("i,ia,ib->ab", weight, points, points))
    major, minor = vectors[:, 1], vectors[:, 0]
    minor = minor * np.sign(minor[0] * major[1] - minor[1] * major[0])  # a rotation, not a reflection
    turned = np.stack([points @ minor, points @ major], 1)
    for axis in (0, 1):
        if weight[turned[:, axis] > 0].sum() < weight[turned[:, axis] < 0].sum():
            turned[:, axis] *= -1
    return turned


def pfn(v, rotate):
    e, px, py, pz = v
    pt = np.hypot(px, py)
    z = pt / pt.sum()
    # Constituents are massless up to rounding, which must not make the mass imaginary.
    m2 = np.maximum((e + pz) * (e - pz) - pt**2, 0)
    y = np.arcsinh(pz / np.sqrt(m2 + pt**2))
    # The azimuth of the jet as reference: any direction within the jet gives the same centered points.
    phi = wrap(np.arctan2(py, px) - np.arctan2(py.sum(), px.sum()))
    points = np.stack([y - np.average(y, weights=z), phi - np.average(phi, weights=z)], 1)
    if rotate:
        points = turn(z, points)
    return np.concatenate([z[:, None], points], 1)[:LEADING]


def topodnn(v):
    e, px, py, pz = np.pad(v[:, :30], ((0, 0), (0, max(0, 30 - v.shape[1]))))

    def spherical(px, py, pz):
        pt, p = np.hypot(px, py), np.sqrt(px**2 + py**2 + pz**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            eta = -np.log(np.tan(np.arccos(pz / p) / 2))
        return pt, np.where(pt > 0, eta, 0), np.where(pt > 0, np.arctan2(py, px), 0)

    pt, eta, phi = spherical(px, py, pz)
    pt = pt / 1679.1593231
    eta, phi = eta - eta[0], phi - phi[0]
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    theta = np.arctan2(py[1], pz[1]) + np.pi / 2
    py, pz = py * np.cos(theta) - pz * np.sin(theta), pz * np.cos(theta) + py * np.sin(theta)
    pt, eta, phi = spherical(px, py, pz)
    if (pt * eta).sum() < 0:
        eta = -eta
    return np.stack([pt, eta, phi], 1)


def pixels(eta, phi, weight, side, half):
    edges = np.linspace(-half, half, side + 1)
    image, _, _ = np.histogram2d(phi, eta, bins=(edges, edges), weights=weight)
    return image


def sparse(image):
    (places,) = np.nonzero(image.ravel())
    return np.stack([places, image.ravel()[places]], 1)


def cnn(v):
    e, px, py, pz = v
    pt = np.hypot(px, py)
    eta, phi = np.arcsinh(pz / pt), np.arctan2(py, px)
    phi = wrap(phi - phi[0])
    points = np.stack([eta - np.average(eta, weights=pt), phi - np.average(phi, weights=pt)], 1)
    points = turn(pt, points)
    image = pixels(points[:, 0], points[:, 1], pt, 40, 0.8)
    return image / image.sum()


def resnext(v):
    _, jet_pt, jet_eta, jet_phi, _ = jet_vector(v)
    e, px, py, pz = v
    pt = np.hypot(px, py)
    deta = (np.arcsinh(pz / pt) - jet_eta) * (1 if jet_eta >= 0 else -1)
    return pixels(deta, wrap(np.arctan2(py, px) - jet_phi), pt / jet_pt, 64, 0.8)


def main():
    jets = pq.read_table(DATA / "physics_jets.parquet").slice(0, COUNT).to_pydict()
    rows = []
    for components in zip(*(jets[name] for name in ("e", "px", "py", "pz"))):
        v = np.array(components, dtype=np.float64)
        _, pt, eta, _, mass = jet_vector(v)
        views = {"particlenet": particlenet(v), "pfn_plain": pfn(v, False), "pfn": pfn(v, True), "topodnn": topodnn(v),
                 "cnn": sparse(cnn(v)), "resnext": sparse(resnext(v))}
        flat = {name: view.astype(np.float32).ravel().tolist() for name, view in views.items()}
        rows.append({**flat, "mass": mass, "pt": pt, "eta": eta})
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        columns[name] = pa.array(values, pa.list_(pa.float32())) if isinstance(values[0], list) else pa.array(values)
    pq.write_table(pa.table(columns), DATA / "physics_views.parquet",
                   compression="zstd", compression_level=19, use_dictionary=False, store_schema=False)


if __name__ == "__main__":
    main()
