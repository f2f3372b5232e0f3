//! Heavy-ion collisions with and without spinodal clumping (arXiv:1906.06562), as released with pd4ml
//! (arXiv:2107.00656).

use super::*;

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "spinodal",
    title: "Spinodal: pion momenta of heavy-ion collisions (pd4ml)",
    task: "binary classification: events with spinodal clumping (1) against a Maxwell construction (0) of the phase transition",
    holds: Holds::Arrays(ArraysEntry {
        set: ArraySet::Spinodal,
        learn: Task::Classification,
        target: "spinodal",
        unit: "",
        arrays: &[ArrayEntry {
            name: "X_0",
            shape: &[20, 20],
            per_event: true,
        }],
        file: "2_spinodal_29k.npz",
        md5: Some("c22326822d9bac7c074467ccccc6fe4f"),
        obtain: PD4ML_GONE,
        stand_in: true,
    }),
    recipe: &[
        (
            "generator",
            "relativistic hydrodynamics with a first-order transition, then UrQMD",
        ),
        ("experiment", "CBM-like"),
    ],
    columns: &[
        ColumnEntry {
            name: "X_0",
            kind: "[20, 20]",
            unit: "",
            meaning: "two-dimensional histogram of the pions' momenta",
        },
        ColumnEntry {
            name: "y",
            kind: "number",
            unit: "",
            meaning: "1 spinodal, 0 Maxwell",
        },
    ],
    split: PD4ML_SPLIT,
    files: &[],
    rows: [16_240, 4_060, 8_700],
    base_url: None,
    license: "not known here",
    citation: concat!(
        "J. Steinheimer, L. Pang, K. Zhou, V. Koch, J. Randrup, H. Stoecker, A machine learning study to identify spinodal clumping in ",
        "high energy nuclear collisions, JHEP 12, 122 (2019), arXiv:1906.06562; with pd4ml, arXiv:2107.00656"
    ),
    doi: Some("10.1007/JHEP12(2019)122"),
    convert: "read as it is",
    notes: &["used raw, as pd4ml does: no scaling", STAND_IN_NOTE],
};
