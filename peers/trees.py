"""FastJet's declustering trees of jets of 60 constituents, one thread: microseconds a jet, as in `benches/trees.rs`.

    python peers/trees.py [--cpp-only] [--json FILE]

The jets are the Rust benchmark's, drawn by the same sequence; node counts and sums printed beside the times show that
both sides do the same work: clustering, the hardest jet, and its tree as arrays level by level with the harder child
left.

* `cpp`: FastJet's C++ library out of the wheel, driven by a C++ loop that this script compiles (needs `g++` or the
  compiler named by CXX), reading the history directly. Input vectors are ready before the clock starts.
* `cpp lund`: the same for the primary Lund plane, with `has_parents`, as usual C++ code does.
* `python`: the same library through the wheel's Python wrapper, the tree walked with `has_parents`.
* `python lund`: the wheel's own `exclusive_jets_lund_declusterings` on all jets at once (Delta and kt only).

Needs `pip install fastjet awkward numpy`.
"""

from __future__ import annotations

import awkward as ak
import fastjet as fj
import numpy as np
from fastjet_peer import Figures, cpp_figures, drawn_jets, median, parser, report

JETS, CONSTITUENTS, REPEATS = 1000, 60, 15
CASES = {
    "tree_kt_60": ("kt_algorithm", 0.8),
    "tree_ca_60": ("cambridge_algorithm", 1000.0),
    "tree_antikt_60": ("antikt_algorithm", 0.8),
}

CPP = r"""
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

int main(int, char** argv) {
  auto jets = read_jets(argv[1]);
  struct Case { const char* name; JetDefinition definition; };
  Tree tree;
  for (const Case& c : std::vector<Case>{%(cases)s}) {
    double sum = 0;
    size_t nodes = 0;
    double micros = median(%(repeats)d, jets.size(), [&] {
      sum = 0; nodes = 0;
      for (const auto& jet : jets) {
        ClusterSequence sequence(jet, c.definition);
        tree_of(sequence, tree);
        nodes += tree.momenta.size();
        for (size_t i = 0; i < tree.momenta.size(); ++i) sum += tree.level[i] * tree.momenta[i].e();
      }
    });
    figure(c.name, micros, nodes, sum);
  }
  double sum = 0;
  size_t count = 0;
  struct Point { double ln_inverse_delta, ln_kt, ln_z, ln_kappa, psi, m; };
  std::vector<Point> points;
  double micros = median(%(repeats)d, jets.size(), [&] {
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
  figure("lund_primary", micros, count, sum);
}
"""


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


def python_figures(jets: list[np.ndarray]) -> Figures:
    """Through the wrapper; fewer repeats, as it is slow."""
    vectors = [[fj.PseudoJet(px, py, pz, e) for e, px, py, pz in jet] for jet in jets]
    figures = {}
    for name, (algorithm, radius) in CASES.items():
        definition = fj.JetDefinition(getattr(fj, algorithm), radius)
        micros, results = median(len(jets), 3, lambda: [python_tree(jet, definition) for jet in vectors])
        count, total = (sum(column) for column in zip(*results, strict=True))
        figures[name] = {"us_per_jet": micros, "count": count, "sum": total}
    columns = np.stack(jets)
    arrays = {name: ak.from_regular(columns[:, :, i]) for i, name in enumerate(("E", "px", "py", "pz"))}
    batch = ak.zip(arrays, with_name="Momentum4D")
    definition = fj.JetDefinition(fj.cambridge_algorithm, 1000.0)
    micros, found = median(
        len(jets), 3, lambda: fj.ClusterSequence(batch, definition).exclusive_jets_lund_declusterings(1)
    )
    kt = ak.to_numpy(ak.flatten(found["kt"], axis=None))
    figures["lund_primary"] = {"us_per_jet": micros, "count": len(kt), "sum": float(np.log(kt).sum())}
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
