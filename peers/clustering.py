"""FastJet on jets of 60 constituents, one thread: microseconds a jet, as in Tagwerk's `benches/clustering.rs`.

    python peers/clustering.py [--json FILE]

The jets are the Rust benchmark's, drawn by the same sequence; the sums of distances printed beside the times
show that both sides do the same work. Two forms of the peer:

* `cpp`: FastJet's C++ library out of the wheel, driven by a C++ loop that this script compiles (needs `g++` or the compiler
  named by CXX). Input vectors are ready before the clock starts; clustering and a pass over the history are timed.
* `python`: the same library called jet by jet through the wheel's Python wrapper, vectors ready before the clock.

Needs `pip install fastjet`. `--data` and `--threads` are accepted because `compare.py` hands them to every script; neither changes anything.
"""

from __future__ import annotations

import argparse
import array
import json
import math
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import fastjet as fj

JETS, CONSTITUENTS, REPEATS = 1000, 60, 15
CASES = {
    "antikt_60": (fj.antikt_algorithm, "antikt_algorithm", 0.8),
    "antikt_r0.2_60": (fj.antikt_algorithm, "antikt_algorithm", 0.2),
    "cambridge_aachen_60": (fj.cambridge_algorithm, "cambridge_algorithm", 0.8),
    "kt_60": (fj.kt_algorithm, "kt_algorithm", 0.8),
}

CPP = r"""
#include "fastjet/ClusterSequence.hh"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <vector>
using namespace fastjet;

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
  for (const Case& c : std::vector<Case>{%(cases)s}) {
    std::vector<double> seconds;
    double sum = 0;
    for (int repeat = 0; repeat < %(repeats)d; ++repeat) {
      auto start = std::chrono::steady_clock::now();
      sum = 0;
      for (const auto& jet : jets) {
        ClusterSequence sequence(jet, c.definition);
        const auto& history = sequence.history();
        for (size_t i = jet.size(); i < history.size(); ++i) sum += history[i].dij;
      }
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(seconds.begin(), seconds.end());
    std::printf("%%s %%.4f %%.9e\n", c.name, seconds[seconds.size() / 2] / jets.size() * 1e6, sum);
  }
}
"""


def jets() -> list[list[tuple[float, float, float, float]]]:
    """The Rust benchmark's jets: a Weyl sequence, pT falling from 120 GeV, within 0.8 of (0.5, 1); (E, px, py, pz)."""
    counter = 0

    def uniform() -> float:
        nonlocal counter
        counter += 1
        return math.fmod(counter * 0.6180339887498949, 1.0)

    result = []
    for _ in range(JETS):
        jet = []
        for i in range(CONSTITUENTS):
            pt = 120.0 * math.exp(-i / 12.0) * (0.5 + uniform())
            first = uniform()
            radius, angle = 0.8 * first * uniform(), 2.0 * math.pi * uniform()
            eta, phi = 0.5 + radius * math.cos(angle), 1.0 + radius * math.sin(angle)
            pz = pt * math.sinh(eta)
            jet.append((math.sqrt(pt * pt + pz * pz), pt * math.cos(phi), pt * math.sin(phi), pz))
        result.append(jet)
    return result


def python_figures(events: list) -> dict:
    """Through the wrapper."""
    vectors = [[fj.PseudoJet(px, py, pz, e) for e, px, py, pz in event] for event in events]
    figures = {}
    for name, (algorithm, _, radius) in CASES.items():
        definition = fj.JetDefinition(algorithm, radius)
        seconds = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            for particles in vectors:
                fj.ClusterSequence(particles, definition)
            seconds.append(time.perf_counter() - start)
        figures[name] = {"us_per_jet": statistics.median(seconds) / JETS * 1e6}
    return figures


def cpp_figures(events: list) -> dict | None:
    """Through a compiled loop; None without a compiler."""
    compiler = os.environ.get("CXX") or shutil.which("g++")
    if not compiler:
        return None
    wheel = Path(fj.__file__).parent
    libraries = wheel / "lib64" if (wheel / "lib64").exists() else wheel / "lib"
    cases = ", ".join(f'{{"{name}", JetDefinition({text}, {radius})}}' for name, (_, text, radius) in CASES.items())
    source = CPP % {"jets": JETS, "constituents": CONSTITUENTS, "repeats": REPEATS, "cases": cases}
    with tempfile.TemporaryDirectory() as folder:
        code, data, program = (Path(folder) / name for name in ("bench.cpp", "jets.bin", "bench"))
        code.write_text(source)
        flat = array.array("d", (x for event in events for particle in event for x in particle))
        data.write_bytes(flat.tobytes())
        subprocess.run([compiler, "-O3", "-std=c++17", f"-I{wheel / 'include'}", str(code), "-o", str(program),
                        f"-L{libraries}", "-lfastjet", f"-Wl,-rpath,{libraries}"], check=True)  # fmt: skip
        lines = subprocess.run(
            [str(program), str(data)], check=True, capture_output=True, text=True
        ).stdout.splitlines()
    figures = {}
    for line in lines:
        if len(parts := line.split()) == 3 and parts[0] in CASES:
            figures[parts[0]] = {"us_per_jet": float(parts[1]), "sum_of_distances": float(parts[2])}
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
            total = figure.get("sum_of_distances")
            extra = "" if total is None else f"   sum of distances {total:.9e}"
            print(f"{form:7} {name:22} {figure['us_per_jet']:8.2f} us/jet{extra}")
    if arguments.json:
        beside = arguments.json.with_name(arguments.json.name + ".tmp")
        beside.write_text(json.dumps(figures, indent=1))
        os.replace(beside, arguments.json)


if __name__ == "__main__":
    main()
