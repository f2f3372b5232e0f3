"""FastJet on jets of 60 constituents, one thread: microseconds a jet, as in Tagwerk's `benches/clustering.rs`.

    python peers/clustering.py [--cpp-only] [--json FILE]

The jets are the Rust benchmark's, drawn by the same sequence; the sums of distances printed beside the times
show that both sides do the same work. Two forms of the peer:

* `cpp`: FastJet's C++ library out of the wheel, driven by a C++ loop that this script compiles (needs `g++` or the compiler
  named by CXX). Input vectors are ready before the clock starts; clustering and a pass over the history are timed.
* `python`: the same library called jet by jet through the wheel's Python wrapper, vectors ready before the clock.

Needs `pip install fastjet numpy`.
"""

from __future__ import annotations

import fastjet as fj
import numpy as np
from fastjet_peer import Figures, cpp_figures, drawn_jets, median, parser, report

JETS, CONSTITUENTS, REPEATS = 1000, 60, 15
CASES = {
    "antikt_60": ("antikt_algorithm", 0.8),
    "antikt_r0.2_60": ("antikt_algorithm", 0.2),
    "cambridge_aachen_60": ("cambridge_algorithm", 0.8),
    "cambridge_aachen_all_60": ("cambridge_algorithm", 1000.0),
    "kt_60": ("kt_algorithm", 0.8),
}

CPP = r"""
int main(int, char** argv) {
  auto jets = read_jets(argv[1]);
  struct Case { const char* name; JetDefinition definition; };
  for (const Case& c : std::vector<Case>{%(cases)s}) {
    double sum = 0;
    size_t steps = 0;
    double micros = median(%(repeats)d, jets.size(), [&] {
      sum = 0; steps = 0;
      for (const auto& jet : jets) {
        ClusterSequence sequence(jet, c.definition);
        const auto& history = sequence.history();
        for (size_t i = jet.size(); i < history.size(); ++i) sum += history[i].dij;
        steps += history.size() - jet.size();
      }
    });
    figure(c.name, micros, steps, sum);
  }
}
"""


def python_figures(jets: list[np.ndarray]) -> Figures:
    """Through the wrapper."""
    vectors = [[fj.PseudoJet(px, py, pz, e) for e, px, py, pz in jet] for jet in jets]
    figures = {}
    for name, (algorithm, radius) in CASES.items():
        definition = fj.JetDefinition(getattr(fj, algorithm), radius)

        def cluster_all(definition: fj.JetDefinition = definition) -> None:
            for particles in vectors:
                fj.ClusterSequence(particles, definition)

        figures[name] = {"us_per_jet": median(len(jets), REPEATS, cluster_all)[0]}
    return figures


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--cpp-only", action="store_true", help="without the Python wrapper")
    arguments = options.parse_args()
    jets = drawn_jets(JETS, CONSTITUENTS)
    cases = ", ".join(f'{{"{name}", JetDefinition({text}, {radius})}}' for name, (text, radius) in CASES.items())
    figures = {"fastjet": fj.__version__, "cpp": cpp_figures(CPP % {"cases": cases, "repeats": REPEATS}, jets)}
    if not arguments.cpp_only:
        figures["python"] = python_figures(jets)
    report(figures, ("python", "cpp"), arguments.json)


if __name__ == "__main__":
    main()
