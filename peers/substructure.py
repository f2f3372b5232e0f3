"""FastJet and fastjet-contrib on real-sized jets, one thread, as in Tagwerk's `benches/substructure.rs`.

    python peers/substructure.py [--json FILE]

Microseconds a jet. The jets are those of `tests/reference/data/physics_jets.parquet`; the sums printed beside the times
show that both sides do the same work. Four forms of the peer:

* `python`: the 8-body basis as public top taggers compute it: FastJet's exclusive jets through the wheel's classes,
  distances and sums in numpy, jet by jet. Particles are ready before the clock starts.
* `wheel`: the wheel's batch interface to fastjet-contrib, all jets in one call a power; it clusters each jet once more
  for each N, and its taus are not divided by the jet's pT. Also one-pass axes, and energy correlations jet by jet.
* `cpp`: fastjet-contrib out of the wheel, driven by a C++ loop that this script compiles (needs `g++` or CXX).
* `torch`: the pair features as Particle Transformer computes them, single precision, all jets padded to the longest.

Needs `pip install fastjet awkward pyarrow numpy`, and torch for the last.
"""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import fastjet as fj
import numpy as np
import pyarrow.parquet as pq
from fastjet_peer import Figures, cpp_figures, median, parser, report

JETS = Path(__file__).parent.parent / "tests/reference/data/physics_jets.parquet"
BETAS = (0.5, 1.0, 2.0)
KT = fj.JetDefinition(fj.kt_algorithm, 1000.0)

CPP = r"""
#include "fastjet/contrib/EnergyCorrelator.hh"
#include "fastjet/contrib/Nsubjettiness.hh"
using namespace fastjet::contrib;

void report(const char* name, int repeats, size_t count, std::function<double()> pass) {
  double sum = 0;
  double micros = median(repeats, count, [&] { sum = pass(); });
  figure(name, micros, 0, sum);
}

int main(int, char** argv) {
  auto jets = read_jets(argv[1]);
  // A jet with constituents, as these functions take it; they cluster it again for their axes.
  std::vector<PseudoJet> whole;
  for (const auto& jet : jets) whole.push_back(join(jet));
  report("m_body_8", 9, jets.size(), [&] {
    double sum = 0;
    for (int n = 1; n < 8; ++n)
      for (double beta : {0.5, 1.0, 2.0}) {
        if (n == 7 && beta == 0.5) continue;
        Nsubjettiness tau(n, KT_Axes(), UnnormalizedMeasure(beta));
        for (const auto& jet : whole) sum += tau(jet) / jet.pt();
      }
    return sum;
  });
  report("tau_1_2_3_kt", 9, jets.size(), [&] {
    double sum = 0;
    for (int n = 1; n < 4; ++n) {
      Nsubjettiness tau(n, KT_Axes(), UnnormalizedMeasure(1.0));
      for (const auto& jet : whole) sum += tau(jet) / jet.pt();
    }
    return sum;
  });
  report("tau_1_2_3_one_pass_kt", 9, jets.size(), [&] {
    double sum = 0;
    for (int n = 1; n < 4; ++n) {
      Nsubjettiness tau(n, OnePass_KT_Axes(), UnnormalizedMeasure(1.0));
      for (const auto& jet : whole) sum += tau(jet) / jet.pt();
    }
    return sum;
  });
  report("e2_e3", 5, jets.size(), [&] {
    EnergyCorrelator ecf1(1, 1.0), ecf2(2, 1.0), ecf3(3, 1.0);
    double sum = 0;
    for (const auto& jet : whole) {
      double pt = ecf1(jet);
      sum += ecf2(jet) / std::pow(pt, 2) + ecf3(jet) / std::pow(pt, 3);
    }
    return sum;
  });
  report("e2_e3_e4", 1, jets.size(), [&] {
    EnergyCorrelator ecf1(1, 1.0), ecf2(2, 1.0), ecf3(3, 1.0), ecf4(4, 1.0);
    double sum = 0;
    for (const auto& jet : whole) {
      double pt = ecf1(jet);
      sum += ecf2(jet) / std::pow(pt, 2) + ecf3(jet) / std::pow(pt, 3) + ecf4(jet) / std::pow(pt, 4);
    }
    return sum;
  });
}
"""


LIBRARIES = ("fastjetcontribfragile", "fastjettools", "fastjet")


def timed(count: int, repeats: int, work) -> dict:
    micros, total = median(count, repeats, work)
    return {"us_per_jet": micros, "sum": total}


def m_body(row, particles, bodies: int = 8) -> float:
    e, px, py, pz = row
    pt = np.hypot(px, py)
    jet_pt = np.hypot(px.sum(), py.sum())
    y, phi = np.arcsinh(pz / pt), np.arctan2(py, px)
    sequence = fj.ClusterSequence(particles, KT)
    total = 0.0
    for n in range(1, min(bodies, len(e))):
        axes = np.array([(jet.rap(), jet.phi_std()) for jet in sequence.exclusive_jets(n)])
        dphi = np.abs(phi - axes[:, 1:])
        nearest = np.hypot(y - axes[:, :1], np.minimum(dphi, 2 * np.pi - dphi)).min(axis=0)
        for beta in BETAS[n == bodies - 1 :]:
            total += float((pt * nearest**beta).sum() / jet_pt)
    return total


def wheel_figures(rows) -> Figures:
    events = ak.Array([[{"E": e, "px": x, "py": y, "pz": z} for e, x, y, z in row.T] for row in rows])

    def taus(axes, njets, betas):
        sequence = fj.ClusterSequence(events, KT)
        return sum(float(ak.sum(sequence.njettiness("UnnormalizedMeasure", axes, njets=njets, beta=b))) for b in betas)

    def correlations(functions):
        total = 0.0
        for event in events[:20]:
            sequence = fj.ClusterSequence(event, KT)
            for points, angles in functions:
                total += float(sequence.exclusive_jets_energy_correlator(1, 1, points, angles, func="generalized"))
        return total

    count = len(rows)
    return {
        "m_body_8": timed(count, 3, lambda: taus("KT_Axes", list(range(1, 8)), BETAS)),
        "tau_1_2_3_one_pass_kt": timed(count, 3, lambda: taus("OnePass_KT_Axes", [1, 2, 3], [1.0])),
        "e2_e3": timed(20, 1, lambda: correlations([(2, 1), (3, 3)])),
    }


def torch_figures(rows) -> Figures | None:
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(1)
    longest = max(row.shape[1] for row in rows)
    padded = np.zeros((len(rows), 4, longest), dtype=np.float32)
    for b, row in enumerate(rows):
        padded[b, :, : row.shape[1]] = row

    def features(v):
        e, px, py, pz = v.unbind(1)
        pt, phi = torch.hypot(px, py), torch.atan2(py, px)
        y = 0.5 * torch.log(1 + 2 * pz / (e - pz).clamp(min=1e-20))
        dphi = (phi[:, :, None] - phi[:, None] + np.pi) % (2 * np.pi) - np.pi
        dr = ((y[:, :, None] - y[:, None]) ** 2 + dphi**2).sqrt()
        softer = torch.minimum(pt[:, :, None], pt[:, None])
        pair = v[:, :, :, None] + v[:, :, None]
        m2 = pair[:, 0] ** 2 - (pair[:, 1:] ** 2).sum(1)
        share = softer / (pt[:, :, None] + pt[:, None]).clamp(min=1e-8)
        return torch.stack([softer * dr, share, dr, m2], 1).clamp(min=1e-8).log()

    batches = torch.from_numpy(padded).split(20)
    with torch.no_grad():
        return {"pair_features": timed(len(rows), 5, lambda: sum(float(features(v).sum()) for v in batches))}


def main() -> None:
    arguments = parser(__doc__).parse_args()
    table = pq.read_table(JETS)
    rows = [np.array(r, dtype=np.float64) for r in zip(*(table[name].to_pylist() for name in ("e", "px", "py", "pz")))]
    particles = [[fj.PseudoJet(x, y, z, e) for e, x, y, z in row.T] for row in rows]
    figures = {
        "fastjet": fj.__version__,
        "python": {"m_body_8": timed(len(rows), 5, lambda: sum(map(m_body, rows, particles)))},
        "wheel": wheel_figures(rows),
        "cpp": cpp_figures(CPP, [row.T for row in rows], LIBRARIES),
        "torch": torch_figures(rows),
    }
    report(figures, ("python", "wheel", "cpp", "torch"), arguments.json)


if __name__ == "__main__":
    main()
