//! Pion spectra under two equations of state (arXiv:1910.11530, arXiv:1612.04262), as released with pd4ml
//! (arXiv:2107.00656).

use super::*;

pub(super) const ENTRY: CatalogueEntry = CatalogueEntry {
    name: "eos",
    title: "EOSL or EOSQ: pion spectra of heavy-ion collisions (pd4ml)",
    task: "binary classification: first-order transition (EOSQ, 1) against cross-over (EOSL, 0) of the equation of state",
    holds: Holds::Arrays(ArraysEntry {
        set: ArraySet::Eos,
        learn: Task::Classification,
        target: "EOSQ",
        unit: "",
        arrays: &[ArrayEntry {
            name: "X_0",
            shape: &[24, 24],
            per_event: true,
        }],
        file: "3_EOSL_or_EOSQ_180k.npz",
        md5: Some("c070a9743163c3f467ceb87ac4e19fd1"),
        obtain: PD4ML_GONE,
        stand_in: true,
    }),
    recipe: &[(
        "generator",
        "viscous hydrodynamics, then the hadronic cascade UrQMD; collision energy, centrality, initial conditions, viscosity and \
             freeze-out vary",
    )],
    columns: &[
        ColumnEntry {
            name: "X_0",
            kind: "[24, 24]",
            unit: "",
            meaning: "spectrum of the pions in transverse momentum and azimuth",
        },
        ColumnEntry {
            name: "y",
            kind: "number",
            unit: "",
            meaning: "1 EOSQ (first order), 0 EOSL (cross-over)",
        },
    ],
    split: PD4ML_SPLIT,
    files: &[],
    rows: [101_480, 25_370, 54_176],
    base_url: None,
    license: "not known here",
    citation: concat!(
        "Y. Du, K. Zhou, J. Steinheimer, L. Pang, A. Motornenko, H. Zong, X. Wang, H. Stoecker, Identifying the nature of the QCD ",
        "transition in relativistic collision of heavy nuclei with deep learning, Eur. Phys. J. C 80, 516 (2020), arXiv:1910.11530; ",
        "L. Pang et al., An equation-of-state-meter of quantum chromodynamics transition from deep learning, Nature Commun. 9, 210 ",
        "(2018), arXiv:1612.04262; with pd4ml, arXiv:2107.00656"
    ),
    doi: None,
    convert: "read as it is",
    notes: &[
        "every pixel is standardized with mean and standard deviation of the training events, which are kept with the weights",
        STAND_IN_NOTE,
    ],
};
