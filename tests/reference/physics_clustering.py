"""Expected clusterings by FastJet (PyPI `fastjet`) for the jets of physics_jets.parquet.

Writes data/physics_clustering.parquet, one row a jet:
  {antikt,ca,kt}_distance   every step's distance, in order (R = 0.8; anti-kT with R = 0.3, to get several jets)
  {antikt,ca,kt}_size       particles in what the step made, 0 for a step with the beam
  {antikt,ca,kt}_inclusive  (pt, rapidity, phi, mass) of all inclusive jets, by falling pT
  kt_exclusive3             (pt, rapidity, phi, mass) of three exclusive kT jets
  kt_wta_exclusive2         the same for two exclusive jets with winner-take-all recombination
  soft_drop_mass            z_cut = 0.1, beta = 0, and soft_drop_mass_beta1 for beta = 1 (R0 = 0.8), with
  soft_drop_dropped         the number of branches dropped at beta = 0
Soft drop is written out below on FastJet's Cambridge/Aachen history.

Usage: python physics_clustering.py
"""
from pathlib import Path

import fastjet as fj
import pyarrow as pa
import pyarrow.parquet as pq

DATA = Path(__file__).parent / "data"
DEFINITIONS = {
    "antikt": fj.JetDefinition(fj.antikt_algorithm, 0.3),
    "ca": fj.JetDefinition(fj.cambridge_algorithm, 0.8),
    "kt": fj.JetDefinition(fj.kt_algorithm, 0.8),
}
WINNER = fj.JetDefinition(fj.kt_algorithm, 0.8, fj.WTA_pt_scheme)
ALL_IN_ONE = fj.JetDefinition(fj.cambridge_algorithm, 1000.0)


def kinematics(jets):
    return [x for jet in fj.sorted_by_pt(jets) for x in (jet.pt(), jet.rap(), jet.phi_std(), jet.m())]


def soft_drop(particles, z_cut, beta, radius):
    sequence = fj.ClusterSequence(particles, ALL_IN_ONE)
    (jet,) = sequence.inclusive_jets()
    dropped = 0
    while True:
        first, second = fj.PseudoJet(), fj.PseudoJet()
        if not jet.has_parents(first, second):
            return jet.m(), dropped
        if first.pt2() < second.pt2():
            first, second = second, first
        share = second.pt() / (first.pt() + second.pt())
        if share > z_cut * (first.delta_R(second) / radius) ** beta:
            return jet.m(), dropped
        jet, dropped = first, dropped + 1


def describe(components):
    particles = [fj.PseudoJet(px, py, pz, e) for e, px, py, pz in zip(*components)]
    row = {}
    for name, definition in DEFINITIONS.items():
        sequence = fj.ClusterSequence(particles, definition)
        count = len(particles)
        # The wrapper hides the history; its distances are those that leave count - 1, count - 2, .. jets.
        row[f"{name}_distance"] = [sequence.exclusive_dmerge(left) for left in reversed(range(count))]
        row[f"{name}_size"] = [0] * count
        for merged in list(sequence.jets())[count:]:
            row[f"{name}_size"][merged.cluster_hist_index() - count] = len(merged.constituents())
        row[f"{name}_inclusive"] = kinematics(sequence.inclusive_jets())
        if name == "kt":
            row["kt_exclusive3"] = kinematics(sequence.exclusive_jets(3))
    row["kt_wta_exclusive2"] = kinematics(fj.ClusterSequence(particles, WINNER).exclusive_jets(2))
    row["soft_drop_mass"], row["soft_drop_dropped"] = soft_drop(particles, 0.1, 0.0, 0.8)
    row["soft_drop_mass_beta1"], _ = soft_drop(particles, 0.1, 1.0, 0.8)
    return row


def main():
    jets = pq.read_table(DATA / "physics_jets.parquet").to_pydict()
    rows = [describe(components) for components in zip(*(jets[name] for name in ("e", "px", "py", "pz")))]
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name.endswith("_size"):
            columns[name] = pa.array(values, pa.list_(pa.int16()))
        elif name == "soft_drop_dropped":
            columns[name] = pa.array(values, pa.int16())
        else:
            columns[name] = pa.array(values)
    pq.write_table(pa.table(columns), DATA / "physics_clustering.parquet",
                   compression="zstd", compression_level=19, use_dictionary=False, store_schema=False)


if __name__ == "__main__":
    main()
