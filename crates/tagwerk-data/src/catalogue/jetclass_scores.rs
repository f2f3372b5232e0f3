//! Scores of ParT for tops and QCD jets of JetClass, with jet observables: what classifier surrogates were first made of.

use super::*;
use crate::split::Part;

const fn column(name: &'static str, unit: &'static str, meaning: &'static str) -> ColumnEntry {
    ColumnEntry {
        name,
        kind: "f32",
        unit,
        meaning,
    }
}

const COLUMNS: [ColumnEntry; 14] = [
    column(
        "jet_p_top_ParT_full",
        "",
        "score of ParT with all inputs, p(top) / (p(top) + p(QCD)): what is emulated",
    ),
    column("jet_p_top_ParT_kin", "", "score of ParT with kinematic inputs"),
    column("label_top", "", "1 t -> b q q', 0 QCD"),
    column("jet_pt", "GeV", "transverse momentum"),
    column("jet_eta", "", "pseudorapidity"),
    column("jet_phi", "rad", "azimuth"),
    column("jet_energy", "GeV", "energy"),
    column("jet_nparticles", "", "multiplicity"),
    column("jet_sdmass", "GeV", "soft-drop mass"),
    column("jet_tau1 .. jet_tau4", "", "N-subjettiness"),
    column(
        "aux_genpart_eta, aux_genpart_phi",
        "",
        "direction of the generated top; 0 for QCD",
    ),
    column("aux_genpart_pid", "", "6 or -6 for tops, 0 for QCD"),
    column(
        "aux_genpart_pt",
        "GeV",
        "transverse momentum of the generated top; 0 for QCD",
    ),
    column("aux_truth_match", "", "11 or 12 for tops, 50 for QCD"),
];

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "jetclass-scores",
    title: "JetClass, tops and QCD: observables of 9 million jets and their scores by the Particle Transformer",
    task: "surrogate of a classifier: p(score | label, observables)",
    holds: Holds::Scores,
    recipe: &[
        (
            "jets",
            "TTBar (t -> b q q') and ZJetsToNuNu of JetClass: MadGraph, Pythia, Delphes; anti-kT R = 0.8, 500 < pT < 1000 GeV, |eta| < 2",
        ),
        (
            "classifier",
            "ParT, published weights for 10 classes (arXiv:2202.03772); by the authors of arXiv:2402.15558",
        ),
    ],
    columns: &COLUMNS,
    split: "by files, as published: 4,000,000, 1,000,000 and 4,000,000, half tops",
    files: &[
        FileEntry::unchecked("filtered_jetclass_train.h5", Part::Train, 4_000_000),
        FileEntry::unchecked("filtered_jetclass_val.h5", Part::Validation, 1_000_000),
        FileEntry::unchecked("filtered_jetclass_test.h5", Part::Test, 4_000_000),
    ],
    rows: [4_000_000, 1_000_000, 4_000_000],
    base_url: Some("https://syncandshare.desy.de/public.php/dav/files/5M56tM5KYAjq95o"),
    license: "not stated; JetClass itself: CC BY 4.0",
    citation: "S. Bieringer, G. Kasieczka, J. Kieseler, M. Trabs, Classifier surrogates: sharing AI-based searches with the world, Eur. \
               Phys. J. C 84, 972 (2024), arXiv:2402.15558; H. Qu, C. Li, S. Qian, Particle Transformer for jet tagging, \
               arXiv:2202.03772",
    doi: None,
    convert: "[data] train, validation and test of `tagwerk surrogate train`, as in configs/surrogate-jetclass.toml",
    notes: &[
        "pandas frames in HDF5, key `df`, in `fixed` or `table` format; both are read as they are",
        "the jets of the train file are from the folder that the classifier was trained on: its scores may be a little too good there",
        "the score is a single-precision probability and saturates at 1: `kind = \"probability\"` puts what is closer than epsilon at the \
         limit",
        "no checksum is published: what is verified is the length that the server names",
    ],
};
