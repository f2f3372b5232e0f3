//! Hillas parameters of the MAGIC telescope (UCI).

use super::*;

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "magic",
    title: "MAGIC: images of air showers in a Cherenkov telescope, as Hillas parameters (UCI)",
    task: "binary classification: gamma rays (g, 1) against hadronic showers (h, 0)",
    holds: Holds::Arrays(ArraysEntry {
        set: ArraySet::Magic,
        learn: Task::Classification,
        target: "gamma",
        unit: "",
        arrays: &[ArrayEntry {
            name: "features",
            shape: &[10],
            per_event: true,
        }],
        file: "magic04.data",
        md5: None,
        obtain: "the UCI Machine Learning Repository has it under the DOI 10.24432/C52C8B as a zip archive; unpack magic04.data",
        stand_in: false,
    }),
    recipe: &[("generator", "Monte Carlo simulation of the telescope (CORSIKA)")],
    columns: &[
        ColumnEntry {
            name: "features",
            kind: "10 numbers",
            unit: "mm, degrees",
            meaning: "fLength, fWidth, fSize, fConc, fConc1, fAsym, fM3Long, fM3Trans, fAlpha, fDist",
        },
        ColumnEntry {
            name: "class",
            kind: "g or h",
            unit: "",
            meaning: "gamma (signal) or hadron (background)",
        },
    ],
    split: "60/20/20 by (seed, row): the file has all gammas first",
    files: &[],
    rows: [11_478, 3_780, 3_762],
    base_url: None,
    license: "CC BY 4.0",
    citation: "R. K. Bock et al., Methods for multidimensional event classification: a case study using images from a Cherenkov gamma-ray \
               telescope, Nucl. Instrum. Meth. A 516, 511 (2004); UCI Machine Learning Repository",
    doi: Some("10.24432/C52C8B"),
    convert: "read as it is: ten numbers and a letter a line",
    notes: &[
        "19,020 events, 12,332 of them gammas, which is not their share in nature: a background event taken for a gamma is the worse fault, so \
         look at the ROC curve at small background efficiency",
    ],
};
