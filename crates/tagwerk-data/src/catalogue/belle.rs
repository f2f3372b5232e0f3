//! Generated events of Belle II that pass or fail a later selection, as released with pd4ml (arXiv:2107.00656).

use super::*;

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "belle",
    title: "Belle: will a generated event pass the selection after detector simulation? (pd4ml)",
    task: "binary classification: generated events that pass a selection after simulation and reconstruction (1) or fail it (0)",
    holds: Holds::Arrays(ArraysEntry {
        set: ArraySet::Belle,
        learn: Task::Classification,
        target: "passes",
        unit: "",
        arrays: &[
            ArrayEntry {
                name: "X_0",
                shape: &[100, 9],
                per_event: true,
            },
            ArrayEntry {
                name: "X_1",
                shape: &[100],
                per_event: true,
            },
        ],
        file: "6_belle_selective_400k.npz",
        md5: Some("85b10c9df3903455ab247a0ab4b51e5f"),
        obtain: PD4ML_GONE,
        stand_in: true,
    }),
    recipe: &[(
        "generator",
        "e+ e- collisions at the Upsilon(4S); particles before the detector simulation, with their mothers",
    )],
    columns: &[
        ColumnEntry {
            name: "X_0",
            kind: "[100, 9]",
            unit: "",
            meaning: "prodTime, energy, x, y, z, px, py, pz and the particle's identity, mapped to a continuous range; zero-padded",
        },
        ColumnEntry {
            name: "X_1",
            kind: "[100]",
            unit: "",
            meaning: "row of the mother; -1 for none and for padding",
        },
        ColumnEntry {
            name: "y",
            kind: "number",
            unit: "",
            meaning: "1 passes, 0 fails",
        },
    ],
    split: PD4ML_SPLIT,
    files: &[],
    rows: [224_000, 56_000, 120_000],
    base_url: None,
    license: "not known here",
    citation: concat!(
        "J. Kahn, E. Dorigatti, K. Lieret, A. Lindner, T. Kuhr, Selective background Monte Carlo simulation at Belle II, EPJ Web Conf. ",
        "245, 02028 (2020); with pd4ml, arXiv:2107.00656"
    ),
    doi: Some("10.1051/epjconf/202024502028"),
    convert: "read as it is",
    notes: &[
        "identities become one of 182 classes, the most frequent of the training events first; rarer ones are all zeros. The list is kept \
         with the weights",
        STAND_IN_NOTE,
    ],
};
