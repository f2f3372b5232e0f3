//! Signal traces of an array of air-shower stations, as released with pd4ml (arXiv:2107.00656).

use super::*;

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "airshower",
    title: "Airshower: depth of the shower maximum from surface stations (pd4ml)",
    task: "regression of Xmax, the atmospheric depth at which the shower has most particles",
    holds: Holds::Arrays(ArraysEntry {
        set: ArraySet::Airshower,
        learn: Task::Regression,
        target: "Xmax",
        unit: "g/cm^2",
        arrays: &[
            ArrayEntry {
                name: "X_0",
                shape: &[9, 9, 80],
                per_event: true,
            },
            ArrayEntry {
                name: "X_1",
                shape: &[9, 9, 1],
                per_event: true,
            },
            ArrayEntry {
                name: "X_2",
                shape: &[81, 3],
                per_event: false,
            },
        ],
        file: "4_airshower_100k_regression.npz",
        md5: Some("367dc93bec6111a1990f85cc8ff58d1f"),
        obtain: PD4ML_GONE,
        stand_in: true,
    }),
    recipe: &[(
        "detector",
        "9 x 9 stations, each with a signal trace of 80 bins and the arrival time of its first particle",
    )],
    columns: &[
        ColumnEntry {
            name: "X_0",
            kind: "[9, 9, 80]",
            unit: "",
            meaning: "signal traces of the stations; -1 where a station or bin saw nothing",
        },
        ColumnEntry {
            name: "X_1",
            kind: "[9, 9, 1]",
            unit: "",
            meaning: "arrival time of the first particle; -1 where a station saw nothing",
        },
        ColumnEntry {
            name: "X_2",
            kind: "[81, 3]",
            unit: "",
            meaning: "x, y, z of the stations; once, not per event",
        },
        ColumnEntry {
            name: "y",
            kind: "number",
            unit: "g/cm^2",
            meaning: "Xmax",
        },
    ],
    split: PD4ML_SPLIT,
    files: &[],
    rows: [56_000, 14_000, 30_000],
    base_url: None,
    license: "not known here",
    citation: concat!(
        "M. Erdmann, J. Glombitza, D. Walz, A deep learning-based reconstruction of cosmic ray-induced air showers, Astropart. Phys. ",
        "97, 46 (2018), arXiv:1708.00647; with pd4ml, arXiv:2107.00656"
    ),
    doi: Some("10.1016/j.astropartphys.2017.10.006"),
    convert: "read as it is",
    notes: &[
        "signals become log10(s + 1); times have their mean over the event's stations subtracted and are divided by one standard \
         deviation, that of the training events (pd4ml computes it anew on each part)",
        "target: normalized with mean and standard deviation of the training events, which are kept with the weights; predictions are in \
         g/cm^2",
        STAND_IN_NOTE,
    ],
};
