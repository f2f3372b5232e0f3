"""What the peers of the physics benchmarks share: the jets, a C++ loop around FastJet, the command line, the report.

Needs numpy; FastJet only where a C++ program is built, so that `efp.py` runs in an environment without it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Figures = dict[str, dict[str, Any]]
"""Case -> microseconds a jet and whatever shows that the same work was done."""

CPP_HEADER = r"""
#include "fastjet/ClusterSequence.hh"
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <vector>
using namespace fastjet;

// For each jet the number of its particles, then (E, px, py, pz) of each. Standard output is for figures: no banner.
static std::vector<std::vector<PseudoJet>> read_jets(const char* path) {
  ClusterSequence::set_fastjet_banner_stream(nullptr);
  std::ifstream file(path, std::ios::binary);
  std::vector<std::vector<PseudoJet>> jets;
  for (double n; file.read(reinterpret_cast<char*>(&n), sizeof n);) {
    jets.emplace_back();
    for (int i = 0; i < n; ++i) {
      double v[4];
      file.read(reinterpret_cast<char*>(v), sizeof v);
      jets.back().push_back(PseudoJet(v[1], v[2], v[3], v[0]));
    }
  }
  return jets;
}

// Median microseconds a jet.
template <class Pass> static double median(int repeats, size_t jets, Pass pass) {
  std::vector<double> seconds;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    auto start = std::chrono::steady_clock::now();
    pass();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2] / jets * 1e6;
}

// `count` 0: nothing was counted.
static void figure(const char* name, double micros, size_t count, double sum) {
  std::printf("FIGURE %s %.4f %zu %.9e\n", name, micros, count, sum);
}
"""


def drawn_directions(jets: int, constituents: int) -> list[np.ndarray]:
    """The Rust benchmarks' jets, `[constituents, 3]` of (pT, eta, phi) each: a Weyl sequence.

    pT falls exponentially from 120 GeV, directions scatter to 0.8 about (eta, phi) = (0.5, 1).
    """
    counter = 0

    def uniform() -> float:
        nonlocal counter
        counter += 1
        return math.fmod(counter * 0.6180339887498949, 1.0)

    def particle(i: int) -> tuple[float, float, float]:
        pt = 120.0 * math.exp(-i / 12.0) * (0.5 + uniform())
        first = uniform()
        radius, angle = 0.8 * first * uniform(), 2.0 * math.pi * uniform()
        return pt, 0.5 + radius * math.cos(angle), 1.0 + radius * math.sin(angle)

    return [np.array([particle(i) for i in range(constituents)]) for _ in range(jets)]


def momenta(directions: np.ndarray) -> np.ndarray:
    """(E, px, py, pz) of massless particles given as (pT, eta, phi)."""
    pt, eta, phi = directions.T
    pz = pt * np.sinh(eta)
    return np.stack([np.sqrt(pt * pt + pz * pz), pt * np.cos(phi), pt * np.sin(phi), pz], 1)


def drawn_jets(jets: int, constituents: int) -> list[np.ndarray]:
    """As `drawn_directions`, as (E, px, py, pz)."""
    return [momenta(jet) for jet in drawn_directions(jets, constituents)]


def write_jets(path: str | Path, jets: list[np.ndarray]) -> None:
    """Writes (E, px, py, pz) for the C++ programs and for `cargo bench --bench efp`: little-endian f64."""
    Path(path).write_bytes(b"".join(np.array([len(jet), *jet.ravel()], dtype="<f8").tobytes() for jet in jets))


def read_jets(path: str | Path) -> list[np.ndarray]:
    """What `write_jets` wrote."""
    numbers, jets = np.fromfile(path, dtype="<f8"), []
    while len(numbers):
        end = 1 + 4 * int(numbers[0])
        jets.append(numbers[1:end].reshape(-1, 4))
        numbers = numbers[end:]
    return jets


def median(count: int, repeats: int, work: Callable[[], Any]) -> tuple[float, Any]:
    """Median microseconds a jet of `repeats` passes over `count` jets, and what the last pass returned."""
    seconds, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) / count * 1e6, result


def cpp_figures(program: str, jets: list[np.ndarray], libraries: tuple[str, ...] = ("fastjet",)) -> Figures | None:
    """Compiles `program` below `CPP_HEADER` against FastJet's C++ library out of the wheel and runs it on `jets`.

    It is given the file of jets and calls `figure` for each case. Needs `g++` or the compiler named by CXX; None
    without one.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++")
    if not compiler:
        return None
    import fastjet

    wheel = Path(fastjet.__file__).parent
    folder = wheel / "lib64" if (wheel / "lib64").exists() else wheel / "lib"
    with tempfile.TemporaryDirectory() as name:
        code, data, binary = (Path(name) / file for file in ("bench.cpp", "jets.bin", "bench"))
        code.write_text(CPP_HEADER + program)
        write_jets(data, jets)
        command = [compiler, "-O3", "-std=c++17", f"-I{wheel / 'include'}", str(code), "-o", str(binary)]
        command += [f"-L{folder}", *(f"-l{library}" for library in libraries), f"-Wl,-rpath,{folder}"]
        subprocess.run(command, check=True)
        text = subprocess.run([str(binary), str(data)], check=True, capture_output=True, text=True).stdout
    figures: Figures = {}
    for _, name, micros, count, total in (line.split() for line in text.splitlines() if line.startswith("FIGURE ")):
        figures[name] = {"us_per_jet": float(micros), "sum": float(total)}
        if int(count):
            figures[name]["count"] = int(count)
    return figures


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that `compare.py` hands to every script."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--json", type=Path, help="also write the figures here")
    result.add_argument("--data", help="accepted, unused: the jets are drawn, or the reference's")
    result.add_argument("--threads", type=int, default=1, help="accepted, unused where the peer has one thread")
    return result


def report(figures: dict[str, Any], forms: tuple[str, ...], path: Path | None) -> None:
    """Prints the figures of each form of the peer and writes all of them, beside and renamed."""
    for form in forms:
        for name, figure in (figures.get(form) or {}).items():
            count, total = figure.get("count"), figure.get("sum")
            work = f"   {count} items" if count else ""
            work += "" if total is None else f"   sum {total:.9e}"
            print(f"{form:7} {name:24} {figure['us_per_jet']:10.2f} us/jet{work}")
    if path:
        beside = path.with_name(path.name + ".tmp")
        beside.write_text(json.dumps(figures, indent=1))
        os.replace(beside, path)
