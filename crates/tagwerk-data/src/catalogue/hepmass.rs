//! HEPMASS: a resonance of unknown mass that decays to top quarks (arXiv:1601.07913, UCI).

use super::*;
use crate::split::Part;

/// The columns of both sets of events.
pub(super) const COLUMNS: [ColumnEntry; 3] = [
    ColumnEntry {
        name: "label",
        kind: "number, the first of the line (`# label` in the header)",
        unit: "",
        meaning: "1 signal, 0 background",
    },
    ColumnEntry {
        name: "f0 .. f26",
        kind: "27 numbers",
        unit: "standardized by the authors",
        meaning: "lepton pT, eta, phi; missing energy, its phi; number of jets; pT, eta, phi, b-tag of four jets; m_jj, m_jjj, m_lv, \
                  m_jlv, m_WWbb",
    },
    ColumnEntry {
        name: "mass",
        kind: "number; absent in `1000`",
        unit: "GeV",
        meaning: "mass of the resonance; for background one of the signal's, at random (the file has 499.99997 for 500)",
    },
];

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "hepmass",
    title: "HEPMASS: a resonance of 500 to 1500 GeV in top pairs, 27 features (UCI)",
    task: "binary classification at a given mass: X -> ttbar -> W b W b (1) against Standard Model ttbar (0)",
    holds: Holds::Events,
    recipe: &[
        (
            "signal, background",
            "X -> ttbar -> l nu b, q q' b at 500, 750, 1000, 1250 and 1500 GeV; Standard Model ttbar, half and half",
        ),
        (
            "variants",
            "`all` has all five masses, `not1000` all but 1000 GeV, `1000` only that one (no column `mass`)",
        ),
    ],
    columns: &COLUMNS,
    split: "by files, as published, of three variants of 7,000,000 and 3,500,000 each; validation is taken from the training events",
    files: &[
        FileEntry::unchecked("all_train.csv.gz", Part::Train, 7_000_000),
        FileEntry::unchecked("all_test.csv.gz", Part::Test, 3_500_000),
        FileEntry::unchecked("not1000_train.csv.gz", Part::Train, 7_000_000),
        FileEntry::unchecked("not1000_test.csv.gz", Part::Test, 3_500_000),
        FileEntry::unchecked("1000_train.csv.gz", Part::Train, 7_000_000),
        FileEntry::unchecked("1000_test.csv.gz", Part::Test, 3_500_000),
    ],
    rows: [21_000_000, 0, 10_500_000],
    base_url: Some("http://mlphysics.ics.uci.edu/data/hepmass"),
    license: "CC BY 4.0",
    citation: "P. Baldi, K. Cranmer, T. Faucett, P. Sadowski, D. Whiteson, Parameterized neural networks for high-energy physics, Eur. Phys. \
               J. C 76, 235 (2016), arXiv:1601.07913; UCI Machine Learning Repository",
    doi: Some("10.24432/C5PP5W"),
    convert: "`tagwerk data convert all_train.csv.gz all_train.parquet` once, then [data] train and test of `tagwerk parametric`; the \
              files can also be read as they are",
    notes: &[
        "a file is 1 to 2.5 GB: `--file all_train.csv.gz --file all_test.csv.gz` fetches one variant",
        "no checksum is published: what is verified is the length that the server names, and the gzip checksum when the file is read",
        "500 GeV is the hard mass: its signal lies on top of the background",
    ],
};
