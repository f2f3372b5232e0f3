//! The sample inside the program: generated jets after the recipe of the reference data set.

use super::{CatalogueEntry, ColumnEntry, Holds};

/// The sample's Parquet file.
pub(crate) const PARQUET: &[u8] = include_bytes!("../../../../samples/top_sample.parquet");

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "sample",
    title: "10,000 top-tagging jets, inside the program",
    task: "binary classification: jets of hadronically decaying top quarks (1) against light-quark and gluon jets (0)",
    holds: Holds::Jets,
    recipe: &[
        (
            "generator",
            "Pythia 8.3, proton-proton at 14 TeV, no multiple interactions, no pile-up",
        ),
        (
            "signal, background",
            "hadronic top pairs; QCD dijets (quarks and gluons)",
        ),
        (
            "detector",
            "Delphes-like: tracks with efficiency and smearing, calorimeter towers, massless energy-flow objects",
        ),
        ("jets", "anti-kT, R = 0.8, 550 < pT < 650 GeV, |eta| < 2"),
        (
            "matching",
            "signal only: the parton-level top and its three decay partons within dR < 0.8 of the jet",
        ),
        ("constituents", "at most 200, by falling pT, massless; about 47 a jet"),
    ],
    columns: &[
        ColumnEntry {
            name: "label",
            kind: "int8",
            unit: "",
            meaning: "1 top, 0 background",
        },
        ColumnEntry {
            name: "constituent_pt",
            kind: "list of f32",
            unit: "GeV",
            meaning: "transverse momentum",
        },
        ColumnEntry {
            name: "constituent_eta",
            kind: "list of f32",
            unit: "",
            meaning: "pseudorapidity",
        },
        ColumnEntry {
            name: "constituent_phi",
            kind: "list of f32",
            unit: "rad",
            meaning: "azimuth in (-pi, pi]",
        },
    ],
    split: "60/20/20 by position; the rows are shuffled",
    files: &[],
    rows: [6_000, 2_000, 2_000],
    base_url: None,
    license: "MIT OR Apache-2.0, as Tagwerk",
    citation: "as Tagwerk",
    doi: None,
    convert: "nothing to do",
    notes: &[
        "a re-simulation after the published recipe, not the published files: numbers differ from the landscape table",
        "2,000 test jets give a rejection an error of tens of percent: for trying things out, not for results",
    ],
};
