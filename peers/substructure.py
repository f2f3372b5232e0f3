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

Needs `pip install fastjet awkward pyarrow numpy`, and torch for the last. `--data` and `--threads` are accepted because
`compare.py` hands them to every script; neither changes anything.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import awkward as ak
import fastjet as fj
import numpy as np
import pyarrow.parquet as pq

JETS = Path(__file__).parent.parent / "tests/reference/data/physics_jets.parquet"
BETAS = (0.5, 1.0, 2.0)
KT = fj.JetDefinition(fj.kt_algorithm, 1000.0)

CPP = r"""
#include "fastjet/ClusterSequence.hh"
#include "fastjet/contrib/EnergyCorrelator.hh"
#include "fastjet/contrib/Nsubjettiness.hh"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
using namespace fastjet;
using namespace fastjet::contrib;

void report(const char* name, int repeats, size_t count, std::function<double()> pass) {
  std::vector<double> seconds;
  double sum = 0;
  for (int r = 0; r < repeats; ++r) {
    auto start = std::chrono::steady_clock::now();
    sum = pass();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("%s %.4f %.9e\n", name, seconds[seconds.size() / 2] / count * 1e6, sum);
}

int main(int, char** argv) {
  std::ifstream file(argv[1], std::ios::binary);
  std::vector<std::vector<PseudoJet>> jets;
  for (double n; file.read(reinterpret_cast<char*>(&n), sizeof n);) {
    jets.emplace_back();
    for (int i = 0; i < n; ++i) {
      double v[4];
      file.read(reinterpret_cast<char*>(v), sizeof v);
      jets.back().push_back(PseudoJet(v[1], v[2], v[3], v[0]));
    }
  }
  ClusterSequence::set_fastjet_banner_stream(nullptr);
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


def median(count: int, repeats: int, work) -> dict:
    seconds, total = [], 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        total = work()
        seconds.append(time.perf_counter() - start)
    return {"us_per_jet": statistics.median(seconds) / count * 1e6, "sum": total}


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


def wheel_figures(rows) -> dict:
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
        "m_body_8": median(count, 3, lambda: taus("KT_Axes", list(range(1, 8)), BETAS)),
        "tau_1_2_3_one_pass_kt": median(count, 3, lambda: taus("OnePass_KT_Axes", [1, 2, 3], [1.0])),
        "e2_e3": median(20, 1, lambda: correlations([(2, 1), (3, 3)])),
    }


def cpp_figures(rows) -> dict | None:
    compiler = os.environ.get("CXX") or shutil.which("g++")
    if not compiler:
        return None
    wheel = Path(fj.__file__).parent
    libraries = wheel / "lib64" if (wheel / "lib64").exists() else wheel / "lib"
    with tempfile.TemporaryDirectory() as folder:
        code, data, program = (Path(folder) / name for name in ("bench.cpp", "jets.bin", "bench"))
        code.write_text(CPP)
        data.write_bytes(b"".join(np.float64(row.shape[1]).tobytes() + row.T.tobytes() for row in rows))
        subprocess.run([compiler, "-O3", "-std=c++17", f"-I{wheel / 'include'}", str(code), "-o", str(program),
                        f"-L{libraries}", "-lfastjetcontribfragile", "-lfastjettools", "-lfastjet",
                        f"-Wl,-rpath,{libraries}"], check=True)  # fmt: skip
        lines = subprocess.run([str(program), str(data)], check=True, capture_output=True, text=True).stdout
    parts = [line.split() for line in lines.splitlines() if not line.startswith("#")]
    return {p[0]: {"us_per_jet": float(p[1]), "sum": float(p[2])} for p in parts if len(p) == 3}


def torch_figures(rows) -> dict | None:
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
        return {"pair_features": median(len(rows), 5, lambda: sum(float(features(v).sum()) for v in batches))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--data", help="accepted, unused")
    parser.add_argument("--threads", type=int, help="accepted, unused: one thread")
    arguments = parser.parse_args()
    table = pq.read_table(JETS)
    rows = [np.array(r, dtype=np.float64) for r in zip(*(table[name].to_pylist() for name in ("e", "px", "py", "pz")))]
    particles = [[fj.PseudoJet(x, y, z, e) for e, x, y, z in row.T] for row in rows]
    python = {"m_body_8": median(len(rows), 5, lambda: sum(map(m_body, rows, particles)))}
    figures = {"fastjet": fj.__version__, "python": python, "wheel": wheel_figures(rows), "cpp": cpp_figures(rows),
               "torch": torch_figures(rows)}  # fmt: skip
    for form in ("python", "wheel", "cpp", "torch"):
        for name, figure in (figures[form] or {}).items():
            print(f"{form:7} {name:24} {figure['us_per_jet']:10.2f} us/jet   sum {figure['sum']:.6e}")
    if arguments.json:
        beside = arguments.json.with_name(arguments.json.name + ".tmp")
        beside.write_text(json.dumps(figures, indent=1))
        os.replace(beside, arguments.json)


if __name__ == "__main__":
    main()
