"""FastJet's declustering trees of jets of 60 constituents, one thread: microseconds a jet, as in `benches/trees.rs`.

    python peers/trees.py [--json FILE]

The jets are the Rust benchmark's, drawn by the same sequence; node counts and sums printed beside the times show that
both sides do the same work: clustering, the hardest jet, and its tree as arrays level by level with the harder child
left.

* `cpp`: FastJet's C++ library out of the wheel, driven by a C++ loop that this script compiles (needs `g++` or the
  compiler named by CXX), reading the history directly. Input vectors are ready before the clock starts.
* `cpp lund`: the same for the primary Lund plane, with `has_parents`, as usual C++ code does.
* `python`: the same library through the wheel's Python wrapper, the tree walked with `has_parents`.
* `python lund`: the wheel's own `exclusive_jets_lund_declusterings` on all jets at once (Delta and kt only).

Needs `pip install fastjet`. `--data` and `--threads` are accepted because `compare.py` hands them to every
script; neither changes anything.
"""

from __future__ import annotations

import argparse
import array
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
from clustering import CONSTITUENTS, JETS, jets

REPEATS = 15
CASES = {
    "tree_kt_60": ("kt_algorithm", 0.8),
    "tree_ca_60": ("cambridge_algorithm", 1000.0),
    "tree_antikt_60": ("antikt_algorithm", 0.8),
}

CPP = r"""
#include "fastjet/ClusterSequence.hh"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <vector>
using namespace fastjet;

struct Tree {
  std::vector<PseudoJet> momenta;
  std::vector<int> left, right, parent, level, history;
  void clear() { momenta.clear(); left.clear(); right.clear(); parent.clear(); level.clear(); history.clear(); }
  void add(const PseudoJet& jet, int up, int depth, int at) {
    momenta.push_back(jet); left.push_back(-1); right.push_back(-1);
    parent.push_back(up); level.push_back(depth); history.push_back(at);
  }
};

static void tree_of(const ClusterSequence& sequence, Tree& tree) {
  const auto& history = sequence.history();
  const auto& all = sequence.jets();
  int best = -1;
  for (const auto& step : history)
    if (step.parent2 == ClusterSequence::BeamJet) {
      int jet = history[step.parent1].jetp_index;
      if (best < 0 || all[jet].pt2() > all[best].pt2()) best = jet;
    }
  tree.clear();
  tree.add(all[best], -1, 0, all[best].cluster_hist_index());
  for (size_t at = 0; at < tree.history.size(); ++at) {
    const auto& step = history[tree.history[at]];
    if (step.parent2 < 0) continue;
    int a = history[step.parent1].jetp_index, b = history[step.parent2].jetp_index;
    if (all[b].pt2() > all[a].pt2()) std::swap(a, b);
    tree.left[at] = tree.momenta.size(); tree.right[at] = tree.left[at] + 1;
    int depth = tree.level[at] + 1;
    tree.add(all[a], at, depth, all[a].cluster_hist_index());
    tree.add(all[b], at, depth, all[b].cluster_hist_index());
  }
}

template <class Pass> static double median(size_t jets, Pass pass) {
  std::vector<double> seconds;
  for (int repeat = 0; repeat < %(repeats)d; ++repeat) {
    auto start = std::chrono::steady_clock::now();
    pass();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2] / jets * 1e6;
}

int main(int, char** argv) {
  std::ifstream file(argv[1], std::ios::binary);
  std::vector<std::vector<PseudoJet>> jets(%(jets)d);
  for (auto& jet : jets)
    for (int i = 0; i < %(constituents)d; ++i) {
      double v[4];
      file.read(reinterpret_cast<char*>(v), sizeof v);
      jet.push_back(PseudoJet(v[1], v[2], v[3], v[0]));
    }
  ClusterSequence::set_fastjet_banner_stream(nullptr);
  struct Case { const char* name; JetDefinition definition; };
  Tree tree;
  for (const Case& c : std::vector<Case>{%(cases)s}) {
    double sum = 0;
    size_t nodes = 0;
    double micros = median(jets.size(), [&] {
      sum = 0; nodes = 0;
      for (const auto& jet : jets) {
        ClusterSequence sequence(jet, c.definition);
        tree_of(sequence, tree);
        nodes += tree.momenta.size();
        for (size_t i = 0; i < tree.momenta.size(); ++i) sum += tree.level[i] * tree.momenta[i].e();
      }
    });
    std::printf("FIGURE %%s %%.4f %%zu %%.9e\n", c.name, micros, nodes, sum);
  }
  double sum = 0;
  size_t count = 0;
  struct Point { double ln_inverse_delta, ln_kt, ln_z, ln_kappa, psi, m; };
  std::vector<Point> points;
  double micros = median(jets.size(), [&] {
    sum = 0; count = 0; points.clear();
    for (const auto& jet : jets) {
      ClusterSequence sequence(jet, JetDefinition(cambridge_algorithm, 1000.0));
      PseudoJet node = sequence.inclusive_jets()[0], a, b;
      while (node.has_parents(a, b)) {
        if (b.pt2() > a.pt2()) std::swap(a, b);
        double delta = a.delta_R(b), z = b.pt() / (a.pt() + b.pt());
        points.push_back({-std::log(delta), std::log(b.pt() * delta), std::log(z), std::log(z * delta),
                          std::atan2(b.rap() - a.rap(), a.delta_phi_to(b)), node.m()});
        sum += points.back().ln_kt; ++count;
        node = a;
      }
    }
  });
  std::printf("FIGURE lund_primary %%.4f %%zu %%.6e\n", micros, count, sum);
}
"""


def cpp_figures(events: list) -> dict | None:
    """Through a compiled loop; None without a compiler."""
    compiler = os.environ.get("CXX") or shutil.which("g++")
    if not compiler:
        return None
    wheel = Path(fj.__file__).parent
    libraries = wheel / "lib64" if (wheel / "lib64").exists() else wheel / "lib"
    cases = ", ".join(f'{{"{name}", JetDefinition({text}, {radius})}}' for name, (text, radius) in CASES.items())
    source = CPP % {"jets": JETS, "constituents": CONSTITUENTS, "repeats": REPEATS, "cases": cases}
    with tempfile.TemporaryDirectory() as folder:
        code, data, program = (Path(folder) / name for name in ("bench.cpp", "jets.bin", "bench"))
        code.write_text(source)
        data.write_bytes(array.array("d", (x for event in events for particle in event for x in particle)).tobytes())
        subprocess.run([compiler, "-O3", "-std=c++17", f"-I{wheel / 'include'}", str(code), "-o", str(program),
                        f"-L{libraries}", "-lfastjet", f"-Wl,-rpath,{libraries}"], check=True)  # fmt: skip
        text = subprocess.run([str(program), str(data)], check=True, capture_output=True, text=True).stdout
    parts = [line.split() for line in text.splitlines() if line.startswith("FIGURE ")]
    return {name: {"us_per_jet": float(us), "count": int(n), "sum": float(s)} for _, name, us, n, s in parts}


def python_tree(particles: list, definition: fj.JetDefinition) -> tuple[int, float]:
    """Number of nodes and the sum of level x energy of the hardest jet's tree."""
    sequence = fj.ClusterSequence(particles, definition)
    queue = [(max(sequence.inclusive_jets(), key=lambda jet: jet.pt2()), 0)]
    for node, level in queue:
        first, second = fj.PseudoJet(), fj.PseudoJet()
        if node.has_parents(first, second):
            if second.pt2() > first.pt2():
                first, second = second, first
            queue += [(first, level + 1), (second, level + 1)]
    return len(queue), sum(level * node.e() for node, level in queue)


def python_figures(events: list) -> dict:
    """Through the wrapper; fewer repeats, as it is slow."""
    vectors = [[fj.PseudoJet(px, py, pz, e) for e, px, py, pz in event] for event in events]
    figures = {}
    for name, (algorithm, radius) in CASES.items():
        definition = fj.JetDefinition(getattr(fj, algorithm), radius)
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            results = [python_tree(particles, definition) for particles in vectors]
            seconds.append(time.perf_counter() - start)
        figures[name] = {
            "us_per_jet": statistics.median(seconds) / JETS * 1e6,
            "count": sum(count for count, _ in results),
            "sum": sum(total for _, total in results),
        }
    columns = dict(zip(("E", "px", "py", "pz"), zip(*(zip(*event) for event in events))))
    arrays = {name: ak.Array([list(v) for v in values]) for name, values in columns.items()}
    batch = ak.zip(arrays, with_name="Momentum4D")
    definition = fj.JetDefinition(fj.cambridge_algorithm, 1000.0)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        found = fj.ClusterSequence(batch, definition).exclusive_jets_lund_declusterings(1)
        seconds.append(time.perf_counter() - start)
    kt = ak.to_numpy(ak.flatten(found["kt"], axis=None))
    figures["lund_primary"] = {
        "us_per_jet": statistics.median(seconds) / JETS * 1e6,
        "count": len(kt),
        "sum": float(np.log(kt).sum()),
    }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--data", help="accepted, unused")
    parser.add_argument("--threads", type=int, help="accepted, unused: one thread")
    arguments = parser.parse_args()
    events = jets()
    figures = {"fastjet": fj.__version__, "python": python_figures(events), "cpp": cpp_figures(events)}
    for form in ("python", "cpp"):
        for name, figure in (figures[form] or {}).items():
            count, total = figure["count"], figure["sum"]
            print(f"{form:7} {name:18} {figure['us_per_jet']:9.2f} us/jet   {count} items, sum {total:.9e}")
    if arguments.json:
        beside = arguments.json.with_name(arguments.json.name + ".tmp")
        beside.write_text(json.dumps(figures, indent=1))
        os.replace(beside, arguments.json)


if __name__ == "__main__":
    main()
