//! Jet images of 30 x 30 pixels from a tutorial of the LHC Physics Center at Fermilab.

use super::*;

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "jet-images",
    title: "Jet images of the LPC machine-learning tutorial, 30 x 30",
    task: "binary classification: jets of top quarks (TT, 1) against light-quark and gluon jets (QCD, 0)",
    holds: Holds::Arrays(ArraysEntry {
        set: ArraySet::JetImages,
        learn: Task::Classification,
        target: "top",
        unit: "",
        arrays: &[ArrayEntry {
            name: "image",
            shape: &[30, 30],
            per_event: true,
        }],
        file: "jet_images.h5",
        md5: None,
        obtain: "the machine-learning tutorial (HATS) of the LHC Physics Center at Fermilab has the file in its repository",
        stand_in: false,
    }),
    recipe: &[],
    columns: &[
        ColumnEntry {
            name: "image",
            kind: "[30, 30]",
            unit: "GeV, presumably",
            meaning: "data sets TT and QCD, [N, 30, 30, 1] each",
        },
        ColumnEntry {
            name: "class",
            kind: "which of the two data sets",
            unit: "",
            meaning: "1 TT, 0 QCD",
        },
    ],
    split: "60/20/20 by (seed, row), the rows of TT first",
    files: &[],
    rows: [3_078, 969, 980],
    base_url: None,
    license: "MIT",
    citation: "FNAL LPC machine-learning hands-on advanced tutorial session",
    doi: None,
    convert: "read as it is: HDF5 with the data sets TT and QCD",
    notes: &[
        "an image is divided by its sum before it is used: the classes' energies differ by how they were selected",
        "how the images were made is not known here: not comparable to other jet images",
    ],
};
