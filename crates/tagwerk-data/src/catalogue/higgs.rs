//! Higgs bosons against top quarks, 28 features (arXiv:1402.4735, UCI).

use super::*;

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "higgs",
    title: "HIGGS: a heavy Higgs boson's decay chain against top pairs (UCI)",
    task: "binary classification: a process with new Higgs bosons (1) against top-quark pairs (0) with the same final state",
    holds: Holds::Arrays(ArraysEntry {
        set: ArraySet::Higgs,
        learn: Task::Classification,
        target: "Higgs",
        unit: "",
        arrays: &[ArrayEntry {
            name: "features",
            shape: &[28],
            per_event: true,
        }],
        file: "HIGGS.csv.gz",
        md5: None,
        obtain: "the UCI Machine Learning Repository has it under the DOI 10.24432/C5V312; pieces of it, with tabs or commas, can be used too",
        stand_in: false,
    }),
    recipe: &[(
        "generator",
        "Monte Carlo simulation of proton collisions with a parametrized detector",
    )],
    columns: &[
        ColumnEntry {
            name: "features",
            kind: "28 numbers",
            unit: "",
            meaning: "21 kinematic properties, then 7 functions of them (m_jj, m_jjj, m_lv, m_jlv, m_bb, m_wbb, m_wwbb), scaled by the authors",
        },
        ColumnEntry {
            name: "label",
            kind: "number, the first of the line",
            unit: "",
            meaning: "1 signal, 0 background",
        },
    ],
    split: "the whole file: the last 500,000 rows test, as published, and the 500,000 before them validate; a piece of it: 60/20/20 by \
            (seed, row)",
    files: &[],
    rows: [10_000_000, 500_000, 500_000],
    base_url: None,
    license: "CC BY 4.0",
    citation: "P. Baldi, P. Sadowski, D. Whiteson, Searching for Exotic Particles in High-Energy Physics with Deep Learning, Nature Commun. \
               5, 4308 (2014), arXiv:1402.4735; UCI Machine Learning Repository",
    doi: Some("10.24432/C5V312"),
    convert: "read as it is, gzipped or not",
    notes: &[
        "text has no index: the whole file is read when it is opened, and 11 million events take 1.3 GB of memory",
    ],
};
