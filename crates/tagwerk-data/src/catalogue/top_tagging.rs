//! The top-tagging reference data set of the community's comparison (arXiv:1902.09914).

use super::{CatalogueEntry, ColumnEntry, FileEntry, Holds};
use crate::split::Part;

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "top-tagging",
    title: "Top quark tagging reference data set, v0 (2018_03_27)",
    task: "binary classification: jets of hadronically decaying top quarks (1) against light-quark and gluon jets (0)",
    holds: Holds::Jets,
    recipe: &[
        (
            "generator",
            "Pythia 8 (8.2.15), default tune, proton-proton at 14 TeV, no multiple interactions, no pile-up",
        ),
        (
            "signal, background",
            "hadronic top pairs; QCD dijets (quarks and gluons)",
        ),
        ("detector", "Delphes, default ATLAS card, energy-flow objects"),
        ("jets", "anti-kT, R = 0.8, 550 < pT < 650 GeV, |eta| < 2"),
        (
            "matching",
            "signal only: the parton-level top within dR < 0.8, and its three decay partons within dR < 0.8 of the jet axis",
        ),
        (
            "constituents",
            "the 200 leading in pT as (E, px, py, pz), zero-padded; no particle identity, charge or vertex; about 49 a jet",
        ),
    ],
    columns: &[
        ColumnEntry {
            name: "values_block_0[0..800]",
            kind: "f32",
            unit: "GeV",
            meaning: "E_0, PX_0, PY_0, PZ_0, ... PZ_199: constituents by falling pT; real where E > 0",
        },
        ColumnEntry {
            name: "values_block_0[800..804]",
            kind: "f32",
            unit: "GeV",
            meaning: "truthE, truthPX, truthPY, truthPZ: the parton-level top quark; zero for background",
        },
        ColumnEntry {
            name: "values_block_1[0]",
            kind: "int64",
            unit: "",
            meaning: "ttv: 0 train, 1 test, 2 validation",
        },
        ColumnEntry {
            name: "values_block_1[1]",
            kind: "int64",
            unit: "",
            meaning: "is_signal_new: 1 top, 0 background",
        },
    ],
    split: "by files, as published",
    files: &[
        FileEntry {
            name: "train.h5",
            part: Part::Train,
            rows: 1_211_000,
            bytes: Some(1_038_496_555),
            md5: Some("45663819f47c13724f67eb0fd80bfa5c"),
        },
        FileEntry {
            name: "val.h5",
            part: Part::Validation,
            rows: 403_000,
            bytes: Some(347_378_076),
            md5: Some("dca4b7248027618f041f9baa86d360fc"),
        },
        FileEntry {
            name: "test.h5",
            part: Part::Test,
            rows: 404_000,
            bytes: Some(347_849_376),
            md5: Some("13163479dee30a5fe546e4536cc3d04d"),
        },
    ],
    rows: [1_211_000, 403_000, 404_000],
    base_url: Some("https://zenodo.org/records/2603256/files"),
    license: "not known here: see the Zenodo record before redistributing",
    citation: "G. Kasieczka, T. Plehn, J. Thompson, M. Russel, Top Quark Tagging Reference Dataset, v0 (2018_03_27), Zenodo (2019), \
               doi:10.5281/zenodo.2603256; G. Kasieczka, T. Plehn (eds.) et al., The Machine Learning Landscape of Top Taggers, \
               SciPost Phys. 7, 014 (2019), arXiv:1902.09914",
    doi: Some("10.5281/zenodo.2603256"),
    convert: "read as it is, from the directory of the three files; converted to Parquet it reads several times as fast",
    notes: &[
        "the test file holds 202,086 top and 201,914 background jets; statistical errors of a rejection use the latter",
        "the files are only partly shuffled (labels come in runs of tens): small subsets must be drawn, not cut off",
        "the pandas index repeats and means nothing",
        "papers quote 1.2M / 400k / 400k jets; the numbers here are the files' own",
    ],
};
