//! Iron against proton in the signal traces of air-shower stations: the classification that was announced beside
//! [`airshower`](super::airshower), in the same arrays. pd4ml (arXiv:2107.00656) released the regression alone.

use super::airshower::{ARRAYS, CITATION, PREPARED, RECIPE, STATIONS, TIMES, TRACES};
use super::*;

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "airshower-primary",
    title: "Airshower: the primary particle from surface stations",
    task: "binary classification: iron (1) against proton (0)",
    holds: Holds::Arrays(ArraysEntry {
        set: ArraySet::AirshowerPrimary,
        learn: Task::Classification,
        target: "iron",
        unit: "",
        arrays: ARRAYS,
        file: "airshower_primary.npz",
        md5: None,
        obtain: "never released; bring arrays of your own in this layout, or generate a stand-in with `tagwerk data stand-in NAME -o \
                 FILE`",
        stand_in: true,
    }),
    recipe: RECIPE,
    columns: &[
        TRACES,
        TIMES,
        STATIONS,
        ColumnEntry {
            name: "y",
            kind: "number",
            unit: "",
            meaning: "1 iron, 0 proton",
        },
    ],
    split: "that of your file, as in the other files of pd4ml: train and test; validation is the last 20 % of the training events",
    files: &[],
    rows: [0, 0, 0],
    base_url: None,
    license: "not known here",
    citation: CITATION,
    doi: Some("10.1016/j.astropartphys.2017.10.006"),
    convert: "read as it is",
    notes: &[PREPARED, STAND_IN_NOTE],
};
