"""FastJet's declustering of the jets of physics_jets.parquet: trees, node features, Lund planes, words.

Writes data/physics_trees.parquet, one row a jet (nodes level by level, the child of higher pT left, hardest jet only):
  {kt,ca,antikt}_inner      1 for an inner node, 0 for a leaf (R = 0.8; 0.3 for antikt)
  {kt,ca,antikt}_particle   constituents that the leaves are
  kt_features               [nodes, 7]: |p|, eta, phi, E, E/E_jet, pT, theta, float32; first 30 jets
  scaler                    first row: numpy's medians, then q75 - q25, of these float32 features
  words                     [splittings, 5]: m0, m1/m0, m2/m1, dR, cos helicity (-2 for none), mass floor 30 GeV
  words_all                 the same without floor; first 30 jets
and data/physics_lund.parquet (C/A, R = 1000; from the wide angle down):
  ln_inverse_delta, ln_kt   primary plane, checked here against the wheel's own exclusive_jets_lund_declusterings
  ln_z, psi, mass
  secondary_ln_kt           plane after plane of the primary splittings' softer branches
  secondary_origin          the primary splitting of each

Usage: python physics_trees.py [--all] (all: no "first" above; larger files, not for the repository)
"""
import sys
from pathlib import Path

import awkward as ak
import fastjet as fj
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data"
ALL = "--all" in sys.argv
TREES = {
    "kt": fj.JetDefinition(fj.kt_algorithm, 0.8),
    "ca": fj.JetDefinition(fj.cambridge_algorithm, 0.8),
    "antikt": fj.JetDefinition(fj.antikt_algorithm, 0.3),
}
ALL_IN_ONE = fj.JetDefinition(fj.cambridge_algorithm, 1000.0)
MASSLESS = 5e-7


def children(jet):
    """Harder first; None for a constituent."""
    first, second = fj.PseudoJet(), fj.PseudoJet()
    if not jet.has_parents(first, second):
        return None
    return (second, first) if second.pt2() > first.pt2() else (first, second)


def by_levels(root):
    """(node, number of the parent, children or None) from the root down."""
    nodes, queue = [], [(root, -1)]
    for own, (node, parent) in enumerate(queue):
        pair = children(node)
        nodes.append((node, parent, pair))
        queue.extend((child, own) for child in pair or ())
    return nodes


def features(nodes):
    px, py, pz, e = np.array([[n.px(), n.py(), n.pz(), n.e()] for n, _, _ in nodes]).T
    pt = np.hypot(px, py)
    eta = np.arcsinh(pz / pt)
    columns = [np.sqrt(px**2 + py**2 + pz**2), eta, np.arctan2(py, px), e, e / e[0], pt, 2 * np.arctan(np.exp(-eta))]
    return np.stack(columns, 1).astype(np.float32)


def lund(node):
    """The splittings along the harder branch: coordinates and the softer branch."""
    points = []
    while pair := children(node):
        hard, soft = pair
        dy, dphi = soft.rap() - hard.rap(), hard.delta_phi_to(soft)
        delta = hard.delta_R(soft)
        assert delta > 0, "a splitting without an angle"
        z = soft.pt() / (soft.pt() + hard.pt())
        points.append((-np.log(delta), np.log(soft.pt() * delta), np.log(z), np.arctan2(dy, dphi), node.m(), soft))
        node = hard
    return points


def dot(a, b):
    return a.e() * b.e() - a.px() * b.px() - a.py() * b.py() - a.pz() * b.pz()


def mass(v):
    return np.sqrt(v.m2()) if v.m2() > MASSLESS * v.e() ** 2 else 0.0


def words(nodes, floor):
    """By invariants, without a boost."""
    values, opened = [], []
    for node, parent, pair in nodes:
        reached = parent < 0 or opened[parent]
        opened.append(bool(reached and pair and (floor == 0 or mass(node) > floor)))
        if not opened[-1] or mass(node) == 0:
            continue
        one, two = pair if mass(pair[0]) >= mass(pair[1]) else pair[::-1]
        m0, m1, m2 = mass(node), mass(one), mass(two)
        cos = -2.0
        if m1 > 0 and (below := children(one)):
            soft = below[1]
            e0, e = dot(node, one) / m1, dot(soft, one) / m1
            p0, p = np.sqrt(e0**2 - node.m2()), np.sqrt(max(e**2 - soft.m2(), 0))
            cos = float(np.clip((e0 * e - dot(node, soft)) / (p0 * p), -1, 1))
        values.append([m0, m1 / m0, m2 / m1 if m1 else 0.0, one.delta_R(two), cos])
    return np.array(values).ravel()


def describe(index, components):
    particles = [fj.PseudoJet(px, py, pz, e) for e, px, py, pz in zip(*components)]
    for number, particle in enumerate(particles):
        particle.set_user_index(number)
    row, plane = {}, {}
    for name, definition in TREES.items():
        sequence = fj.ClusterSequence(particles, definition)
        nodes = by_levels(fj.sorted_by_pt(sequence.inclusive_jets())[0])
        row[f"{name}_inner"] = [int(pair is not None) for _, _, pair in nodes]
        row[f"{name}_particle"] = [node.user_index() for node, _, pair in nodes if pair is None]
        if name == "kt":
            row["kt_features"] = features(nodes).ravel() if index < 30 or ALL else []
    sequence = fj.ClusterSequence(particles, ALL_IN_ONE)
    (jet,) = sequence.inclusive_jets()
    nodes = by_levels(jet)
    row["words"] = words(nodes, 30.0)
    row["words_all"] = words(nodes, 0.0) if index < 30 or ALL else []

    primary = lund(jet)
    names = ["ln_inverse_delta", "ln_kt", "ln_z", "psi", "mass"]
    for column, name in enumerate(names):
        plane[name] = [point[column] for point in primary]
    secondary = [(i, p[1]) for i, point in enumerate(primary) for p in lund(point[5])]
    plane["secondary_origin"] = [origin for origin, _ in secondary]
    plane["secondary_ln_kt"] = [ln_kt for _, ln_kt in secondary]
    check_wheel(components, plane)
    return row, plane


def check_wheel(components, plane):
    e, px, py, pz = components
    event = ak.zip({"px": px, "py": py, "pz": pz, "E": e}, with_name="Momentum4D")
    (found,) = fj.ClusterSequence(event, ALL_IN_ONE).exclusive_jets_lund_declusterings(1).to_list()
    delta, kt = (np.array([point[name] for point in found]) for name in ("Delta", "kt"))
    np.testing.assert_allclose(np.log(1 / delta), plane["ln_inverse_delta"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(np.log(kt), plane["ln_kt"], rtol=1e-12, atol=1e-12)


def write(rows, name):
    columns = {}
    for column in rows[0]:
        values = [list(row[column]) for row in rows]
        kind = pa.float64()
        if column.endswith(("_inner", "_particle", "_origin")):
            kind = pa.int16()
        elif column == "kt_features":
            kind = pa.float32()
        columns[column] = pa.array(values, pa.list_(kind))
    pq.write_table(pa.table(columns), DATA / name, compression="zstd", compression_level=19, use_dictionary=False,
                   store_schema=False)  # fmt: skip


def main():
    jets = pq.read_table(DATA / "physics_jets.parquet").to_pydict()
    rows = [describe(i, components) for i, components in enumerate(zip(*(jets[n] for n in ("e", "px", "py", "pz"))))]
    trees, planes = map(list, zip(*rows))
    nodes = np.concatenate([np.reshape(row["kt_features"], (-1, 7)) for row in trees]).astype(np.float64)
    low, median, high = np.percentile(nodes, [25, 50, 75], axis=0)
    for index, row in enumerate(trees):
        row["scaler"] = [] if index else [*median, *(high - low)]
    write(trees, "physics_trees.parquet")
    write(planes, "physics_lund.parquet")


if __name__ == "__main__":
    main()
