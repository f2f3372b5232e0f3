//! HEPMASS-IMB: HEPMASS with little signal at high mass (arXiv:2202.00424, Zenodo).

use super::*;
use crate::split::Part;

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "hepmass-imb",
    title: "HEPMASS-IMB: HEPMASS for training, with less signal the heavier it is (Zenodo)",
    task: "binary classification at a given mass, signal scarce: for training only, the test events are those of HEPMASS",
    holds: Holds::Events,
    recipe: &[
        ("background", "all 3,499,121 of the training file `all` of HEPMASS"),
        (
            "signal",
            "50 % of HEPMASS's at 500 GeV, 20 % at 750, 5 % at 1000, 1 % at 1250, 0.3 % at 1500: 533,887 events",
        ),
    ],
    columns: &hepmass::COLUMNS,
    split: "training only; validation is taken from it, and `hepmass` has the test events",
    files: &[FileEntry::unchecked("hepmass-imb.zip", Part::Train, 4_033_008)],
    rows: [4_033_008, 0, 0],
    base_url: Some("https://zenodo.org/records/6453048/files"),
    license: "see the record",
    citation: "L. Anzalone, T. Diotalevi, D. Bonacorsi, Improving parametric neural networks for high-energy physics (and beyond), Mach. \
               Learn. Sci. Technol. 3, 035017 (2022), arXiv:2202.00424",
    doi: Some("10.5281/zenodo.6453048"),
    convert: "`tagwerk data convert hepmass-imb.zip hepmass-imb.parquet`; without the file, `tagwerk data convert --recipe hepmass-imb \
              all_train.csv.gz hepmass-imb.parquet` draws a set of the same composition from HEPMASS",
    notes: &[
        "the fractions are not published; they follow from the number of steps in the published checkpoints of the paper's code, and so do \
         the numbers of events",
        "background masses flat over the five values give a good part of the class away (AUC 0.81 of the mass alone): balance = `full` or \
         `signal` takes this away",
    ],
};
