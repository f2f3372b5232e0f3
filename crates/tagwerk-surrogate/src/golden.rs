//! Golden test: fixed inputs and what the model answered when it was packed.
//!
//! An input is a jet's conditions, one noise number z and one cut on the logit. A member's answers are the logit of z
//! and the probability of passing the cut; the domain's are its two distances and its flag.

use crate::csv;
use crate::domain::Domain;
use crate::error::SurrogateError;
use crate::score_model::{ScoreModel, cdf, sample};
use crate::score_table::ScoreTable;
use tagwerk_data::random::{normal, stream};

/// Fewest golden inputs of a file.
pub const FEWEST_GOLDEN: usize = 100;

/// Fixed inputs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Golden {
    pub(crate) names: Vec<String>,
    /// `[rows, C]`
    pub(crate) conditions: Vec<f64>,
    /// Noise, one a row.
    pub(crate) z: Vec<f64>,
    /// Cut on the logit, one a row.
    pub(crate) cut: Vec<f64>,
}

/// What is expected, or was answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answers {
    /// Row, member, logit, passing.
    pub(crate) members: Vec<[f64; 4]>,
    /// Row, Mahalanobis distance, neighbor distance, flag.
    pub(crate) domain: Vec<[f64; 4]>,
}

const EXPECTED: [&str; 4] = ["row", "member", "logit", "passing"];
const EXPECTED_DOMAIN: [&str; 4] = ["row", "mahalanobis", "neighbors", "flagged"];

impl Golden {
    /// The first jets of a table; every eighth is moved out of the domain in its first varying condition, so that flags
    /// are tested too.
    pub(crate) fn choose(table: &ScoreTable, rows: usize, cuts: &[f64], seed: u64) -> Self {
        let rows = rows.min(table.rows());
        let columns = table.columns();
        let mut conditions = table.conditions()[..rows * columns].to_vec();
        if let Some(&column) = table.continuous_columns().first() {
            conditions
                .iter_mut()
                .skip(column)
                .step_by(8 * columns)
                .for_each(|value| *value = 3.0 * *value + 1.0);
        }
        let mut rng = stream(seed, "golden inputs", 0);
        Self {
            names: table.names().to_vec(),
            conditions,
            z: (0..rows).map(|_| normal(&mut rng)).collect(),
            cut: (0..rows)
                .map(|row| cuts.get(row % cuts.len().max(1)).copied().unwrap_or(0.0))
                .collect(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.z.len()
    }

    /// What a model and a domain answer.
    pub(crate) fn answers<M: ScoreModel + ?Sized>(
        &self,
        model: &M,
        domain: &Domain,
    ) -> Result<Answers, SurrogateError> {
        let logits: Vec<Vec<f64>> = (0..model.members())
            .map(|member| sample(model, member, &self.conditions, &self.z))
            .collect::<Result<_, _>>()?;
        let below: Vec<Vec<f64>> = (0..model.members())
            .map(|member| cdf(model, member, &self.conditions, &self.cut))
            .collect::<Result<_, _>>()?;
        let member = |row: usize, m: usize| [row as f64, m as f64, logits[m][row], 1.0 - below[m][row]];
        let jets = self.conditions.chunks_exact(self.names.len());
        Ok(Answers {
            members: (0..self.rows())
                .flat_map(|row| (0..model.members()).map(move |m| (row, m)))
                .map(|(row, m)| member(row, m))
                .collect(),
            domain: jets
                .enumerate()
                .map(|(row, jet)| {
                    let answer = domain.answer(jet);
                    [
                        row as f64,
                        answer.mahalanobis,
                        answer.neighbors,
                        f64::from(u8::from(answer.flagged)),
                    ]
                })
                .collect(),
        })
    }

    pub(crate) fn to_csv(&self) -> String {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        names.extend(["z", "cut"]);
        let row = |(i, jet): (usize, &[f64])| [jet, &[self.z[i], self.cut[i]]].concat();
        let jets = self.conditions.chunks_exact(self.names.len());
        csv::write(&names, &jets.enumerate().flat_map(row).collect::<Vec<f64>>())
    }

    /// # Errors
    /// A sentence on what is wrong with the file.
    pub(crate) fn from_csv(text: &[u8]) -> Result<Self, String> {
        let (mut names, values) = csv::read(text)?;
        if names.len() < 3 || names.split_off(names.len() - 2) != ["z", "cut"] {
            return Err("does not end with the columns z and cut after at least one condition".to_owned());
        }
        let columns = names.len();
        let mut golden = Self {
            names,
            conditions: Vec::new(),
            z: Vec::new(),
            cut: Vec::new(),
        };
        for row in values.chunks_exact(columns + 2) {
            golden.conditions.extend(&row[..columns]);
            golden.z.push(row[columns]);
            golden.cut.push(row[columns + 1]);
        }
        Ok(golden)
    }
}

impl Answers {
    pub(crate) fn to_csv(&self) -> (String, String) {
        (
            csv::write(&EXPECTED, self.members.as_flattened()),
            csv::write(&EXPECTED_DOMAIN, self.domain.as_flattened()),
        )
    }

    /// # Errors
    /// A sentence on what is wrong with which file.
    pub(crate) fn from_csv(members: (&str, &[u8]), domain: (&str, &[u8])) -> Result<Self, String> {
        let read = |(name, text): (&str, &[u8]), columns: [&str; 4]| -> Result<Vec<[f64; 4]>, String> {
            let (names, values) = csv::read(text).map_err(|why| format!("{name} {why}"))?;
            if names != columns {
                return Err(format!("{name} has the columns {names:?} where {columns:?} belong"));
            }
            Ok(values.as_chunks::<4>().0.to_vec())
        };
        Ok(Self {
            members: read(members, EXPECTED)?,
            domain: read(domain, EXPECTED_DOMAIN)?,
        })
    }

    /// How these differ from what was expected, in one sentence each; empty when they do not.
    pub(crate) fn drift(&self, expected: &Self, logit_tolerance: f64, probability_tolerance: f64) -> Vec<String> {
        let mut out = Vec::new();
        let mut compare = |what: &str, ours: &[[f64; 4]], theirs: &[[f64; 4]], limits: [f64; 4], names: [&str; 4]| {
            if ours.len() != theirs.len() {
                out.push(format!(
                    "the model gives {} {what} where {} are expected",
                    ours.len(),
                    theirs.len()
                ));
                return;
            }
            for column in 0..4 {
                let differs = |i: &usize| {
                    let difference = (ours[*i][column] - theirs[*i][column]).abs();
                    difference.is_nan() || difference > limits[column]
                };
                let rows: Vec<usize> = (0..ours.len()).filter(differs).collect();
                if let Some(&first) = rows.first() {
                    out.push(format!(
                        "{} of {} {what} differ from the expected ones by more than {:e} in {}: \
                         first in line {}, {} instead of {}",
                        rows.len(),
                        ours.len(),
                        limits[column],
                        names[column],
                        first + 2,
                        ours[first][column],
                        theirs[first][column]
                    ));
                }
            }
        };
        compare(
            "golden answers",
            &self.members,
            &expected.members,
            [0.0, 0.0, logit_tolerance, probability_tolerance],
            EXPECTED,
        );
        // Distances far out are large; their tolerance is that of the tree's arithmetic.
        compare(
            "answers of the domain",
            &self.domain,
            &expected.domain,
            [0.0, 1e-6, 1e-6, 0.0],
            EXPECTED_DOMAIN,
        );
        out
    }
}
