//! Answers for a table of jets, as a table: drawn scores, quantiles, probabilities of passing cuts, and for every jet
//! whether the surrogate knows such jets.
//!
//! Noise is addressed by (seed, row), so that the draws of a row do not depend on the rows around it. Spreads are standard
//! deviations over members: what the surrogate does not know about its own weights.

use crate::domain::Domain;
use crate::error::SurrogateError;
use crate::score_model::{ScoreModel, cdf, sample};
use crate::shared::SharedSurrogate;
use crate::table::Table;
use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, RecordBatch, UInt32Array, UInt64Array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use rayon::prelude::*;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use tagwerk_data::random::{normal, stream};
use tagwerk_data::{Packing, ParquetSink};
use tagwerk_stats::{StatsError, epistemic_spread, logistic, normal_quantile};

/// Jets answered at a time, and fewer where many scores are drawn for each.
const JETS: usize = 4_096;
/// Scores drawn for each of so many jets.
const SAMPLES: usize = 256;
/// Stream of the noise of samples.
const NOISE: &str = "surrogate answer";
/// Noise numbers at which members are compared: the middles of equal shares of the normal distribution.
const STRATA: usize = 20;

/// What is asked of each jet.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Questions {
    /// Scores drawn, from all members in turn; 0 for none.
    pub samples: usize,
    /// Probabilities whose quantiles are wanted, each in (0, 1).
    pub quantiles: Vec<f64>,
    /// Scores whose probability of being passed is wanted.
    pub cuts: Vec<f64>,
    /// Seed of the noise.
    pub seed: u64,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answered {
    /// Jets.
    pub jets: u64,
    /// Jets that the surrogate does not know: their answers are not to be trusted.
    pub flagged: u64,
    /// Members that answered.
    pub members: usize,
    /// Columns written.
    pub columns: Vec<String>,
    /// Mean over jets of the spread of members, where there are several: max - min of the score, mean over noise.
    pub mean_epistemic: Option<f64>,
    /// Mean probability of passing each cut.
    pub mean_efficiency: Vec<f64>,
}

/// Answers `jets`, in the surrogate's conditions, and writes Parquet with a row a jet, which appears when it is whole.
///
/// Columns: `row`; `flagged`, `beyond_range` (conditions outside the range of training), `unphysical`, `mahalanobis`,
/// `neighbors`; `epistemic` where there are several members; then `samples` (a list), `q0.5` .. (the mean over members of
/// their quantiles) and `pass0.9` .. (the mean probability of a score above), each with `_spread` beside it, the standard
/// deviation over members.
///
/// `told` hears (jets done, jets in all) and returns whether to go on; `None` comes of a stop, without a file.
///
/// # Errors
/// Conditions other than the surrogate's; a label that it was not trained with; a question that makes no sense; a jet that
/// the solver cannot bring to its end; when the disk refuses.
pub fn answer_jets(
    shared: &SharedSurrogate,
    domain: &Domain,
    jets: &Table,
    questions: &Questions,
    output: &Path,
    told: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Option<Answered>, SurrogateError> {
    let asking = Asking::new(shared, domain, jets, questions)?;
    let schema = asking.schema();
    let mut sink = ParquetSink::create(output, schema.clone(), Packing::default())?;
    let mut sums = Sums::default();
    let at_once = (JETS * SAMPLES / questions.samples.max(SAMPLES)).max(1);
    for start in (0..jets.len()).step_by(at_once) {
        if !told(start as u64, jets.len() as u64) {
            return Ok(None);
        }
        let range = start..(start + at_once).min(jets.len());
        sink.write(&asking.batch(&schema, range, &mut sums)?)?;
    }
    told(jets.len() as u64, jets.len() as u64);
    let rows = sink.finish()?;
    let mean = |sum: f64| sum / rows.max(1) as f64;
    Ok(Some(Answered {
        jets: rows,
        flagged: sums.flagged,
        members: shared.members(),
        columns: schema.fields().iter().map(|field| field.name().clone()).collect(),
        mean_epistemic: (shared.members() > 1).then(|| mean(sums.epistemic)),
        mean_efficiency: sums.passing.iter().map(|&sum| mean(sum)).collect(),
    }))
}

#[derive(Default)]
struct Sums {
    flagged: u64,
    epistemic: f64,
    passing: Vec<f64>,
}

struct Asking<'a> {
    shared: &'a SharedSurrogate,
    domain: &'a Domain,
    jets: &'a Table,
    questions: &'a Questions,
    /// Logits of the cuts.
    cuts: Vec<f64>,
}

impl<'a> Asking<'a> {
    fn new(
        shared: &'a SharedSurrogate,
        domain: &'a Domain,
        jets: &'a Table,
        questions: &'a Questions,
    ) -> Result<Self, SurrogateError> {
        let (surrogate, record) = (shared.surrogate(), shared.record());
        let names = surrogate.conditions().names();
        if jets.columns().conditions != names {
            return Err(SurrogateError::Table {
                file: "jets".to_owned(),
                reason: format!(
                    "conditions {:?}; the surrogate has {names:?}",
                    jets.columns().conditions
                ),
            });
        }
        if surrogate.scores().len() != 1 {
            return Err(SurrogateError::Setting {
                setting: "number of scores",
                value: surrogate.scores().len().to_string(),
                wanted: "1: distributions are those of one score",
            });
        }
        for (setting, asked) in [
            ("a quantile's probability", &questions.quantiles),
            ("a cut", &questions.cuts),
        ] {
            if let Some((at, twice)) = asked
                .iter()
                .enumerate()
                .find(|(at, value)| asked[..*at].contains(value))
            {
                return Err(SurrogateError::Setting {
                    setting,
                    value: format!("{twice} again, as number {}", at + 1),
                    wanted: "asked once: it names a column",
                });
            }
        }
        if let Some(p) = questions.quantiles.iter().find(|p| !(**p > 0.0 && **p < 1.0)) {
            return Err(SurrogateError::Setting {
                setting: "a quantile's probability",
                value: p.to_string(),
                wanted: "above 0 and below 1",
            });
        }
        if let Some(at) = names.iter().position(|name| *name == record.label) {
            jets.check_column(at, "a label that the surrogate was trained with", |label| {
                record.labels.contains(&label)
            })?;
        }
        let transform = surrogate.transform();
        let logit = |&cut: &f64| {
            transform
                .to_x(cut)
                .map(|x| x * transform.scale)
                .ok_or_else(|| SurrogateError::Setting {
                    setting: "a cut",
                    value: cut.to_string(),
                    wanted: transform.allowed(),
                })
        };
        Ok(Self {
            cuts: questions.cuts.iter().map(logit).collect::<Result<_, _>>()?,
            shared,
            domain,
            jets,
            questions,
        })
    }

    fn schema(&self) -> SchemaRef {
        let number = |name: &str| Field::new(name, DataType::Float64, false);
        let mut fields = vec![
            Field::new("row", DataType::UInt64, false),
            Field::new("flagged", DataType::Boolean, false),
            Field::new("beyond_range", DataType::UInt32, false),
            Field::new("unphysical", DataType::Boolean, false),
            number("mahalanobis"),
            number("neighbors"),
        ];
        let several = self.shared.members() > 1;
        if several {
            fields.push(number("epistemic"));
        }
        if self.questions.samples > 0 {
            let list = DataType::FixedSizeList(element(), self.questions.samples as i32);
            fields.push(Field::new("samples", list, false));
        }
        let quantiles = self.questions.quantiles.iter().map(|p| format!("q{p}"));
        for name in quantiles.chain(self.questions.cuts.iter().map(|cut| format!("pass{cut}"))) {
            fields.push(number(&name));
            if several {
                fields.push(number(&format!("{name}_spread")));
            }
        }
        Arc::new(Schema::new(fields))
    }

    fn batch(
        &self,
        schema: &SchemaRef,
        range: std::ops::Range<usize>,
        sums: &mut Sums,
    ) -> Result<RecordBatch, SurrogateError> {
        let width = self.shared.columns();
        let conditions = &self.jets.conditions()[range.start * width..range.end * width];
        let (rows, members) = (range.len(), self.shared.members());
        let known: Vec<_> = conditions
            .par_chunks_exact(width)
            .map(|jet| self.domain.answer(jet))
            .collect();
        sums.flagged += known.iter().filter(|answer| answer.flagged).count() as u64;
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(UInt64Array::from(self.jets.rows()[range.clone()].to_vec())),
            Arc::new(BooleanArray::from(known.iter().map(|a| a.flagged).collect::<Vec<_>>())),
            Arc::new(UInt32Array::from_iter_values(
                known.iter().map(|a| a.beyond_range as u32),
            )),
            Arc::new(BooleanArray::from(
                known.iter().map(|a| a.unphysical).collect::<Vec<_>>(),
            )),
            Arc::new(Float64Array::from_iter_values(known.iter().map(|a| a.mahalanobis))),
            Arc::new(Float64Array::from_iter_values(known.iter().map(|a| a.neighbors))),
        ];
        if members > 1 {
            let spread = self.epistemic(conditions, rows)?;
            sums.epistemic += spread.iter().sum::<f64>();
            arrays.push(Arc::new(Float64Array::from(spread)));
        }
        if self.questions.samples > 0 {
            let values = Arc::new(Float32Array::from(self.samples(conditions, range)?));
            let list = FixedSizeListArray::try_new(element(), self.questions.samples as i32, values, None);
            arrays.push(Arc::new(list.map_err(arrow)?));
        }
        for p in &self.questions.quantiles {
            let noise = vec![normal_quantile(*p); rows];
            self.over_members(&mut arrays, |member| {
                let logits = sample(self.shared, member, conditions, &noise)?;
                Ok(logits.into_iter().map(|x| self.score(x)).collect())
            })?;
        }
        sums.passing.resize(self.cuts.len(), 0.0);
        for (cut, sum) in self.cuts.iter().zip(&mut sums.passing) {
            let mean = self.over_members(&mut arrays, |member| {
                let mut below = cdf(self.shared, member, conditions, &vec![*cut; rows])?;
                below.iter_mut().for_each(|p| *p = 1.0 - *p);
                Ok(below)
            })?;
            *sum += mean;
        }
        RecordBatch::try_new(schema.clone(), arrays).map_err(arrow)
    }

    /// The score in what the classifier's column held.
    fn score(&self, logit: f64) -> f64 {
        let transform = self.shared.surrogate().transform();
        transform.to_score(logit / transform.scale)
    }

    /// Adds the mean over members, and their standard deviation where there are several; returns the sum of the means.
    fn over_members(
        &self,
        arrays: &mut Vec<ArrayRef>,
        ask: impl Fn(usize) -> Result<Vec<f64>, SurrogateError>,
    ) -> Result<f64, SurrogateError> {
        let members = self.shared.members();
        let answers: Vec<Vec<f64>> = (0..members).map(ask).collect::<Result<_, _>>()?;
        let count = members as f64;
        let over = |row: usize| answers.iter().map(move |member| member[row]);
        let mean: Vec<f64> = (0..answers[0].len())
            .map(|row| over(row).sum::<f64>() / count)
            .collect();
        let sum = mean.iter().sum();
        let spread = mean.iter().enumerate().map(|(row, mean)| {
            let squares: f64 = over(row).map(|v| (v - mean).powi(2)).sum();
            (squares / (count - 1.0)).sqrt()
        });
        let spread: Option<Vec<f64>> = (members > 1).then(|| spread.collect());
        arrays.push(Arc::new(Float64Array::from(mean)));
        if let Some(spread) = spread {
            arrays.push(Arc::new(Float64Array::from(spread)));
        }
        Ok(sum)
    }

    /// max - min over members of the score at equal noise, mean over noise.
    fn epistemic(&self, conditions: &[f64], rows: usize) -> Result<Vec<f64>, SurrogateError> {
        let members = self.shared.members();
        let strata: Vec<f64> = (0..STRATA)
            .map(|j| normal_quantile((j as f64 + 0.5) / STRATA as f64))
            .collect();
        let noise = strata.repeat(rows);
        let drawn: Vec<Vec<f64>> = (0..members)
            .map(|member| sample(self.shared, member, conditions, &noise))
            .collect::<Result<_, _>>()?;
        (0..rows)
            .into_par_iter()
            .map(|row| {
                let of = |member: &Vec<f64>| member[row * STRATA..(row + 1) * STRATA].to_vec();
                let scores: Vec<f64> = drawn.iter().flat_map(of).map(logistic).collect();
                Ok(epistemic_spread(&scores, members)?.range)
            })
            .collect::<Result<_, StatsError>>()
            .map_err(Into::into)
    }

    /// Scores `[rows, samples]`: sample j of row i is of member (i + j) mod M, so that one score a jet has all members too.
    fn samples(&self, conditions: &[f64], range: std::ops::Range<usize>) -> Result<Vec<f32>, SurrogateError> {
        let (samples, members) = (self.questions.samples, self.shared.members());
        let rows = &self.jets.rows()[range];
        let noise: Vec<Vec<f64>> = rows
            .par_iter()
            .map(|&row| {
                let mut rng = stream(self.questions.seed, NOISE, row);
                (0..samples).map(|_| normal(&mut rng)).collect()
            })
            .collect();
        let mut out = vec![0.0f32; rows.len() * samples];
        let width = self.shared.columns();
        // Jets whose rows have the same remainder have the same member for sample j, so that a member is asked for as many draws of each.
        for turn in 0..members {
            let jets: Vec<usize> = (0..rows.len())
                .filter(|&i| rows[i] % members as u64 == turn as u64)
                .collect();
            if jets.is_empty() {
                continue;
            }
            let of: Vec<f64> = (jets.iter())
                .flat_map(|&i| &conditions[i * width..(i + 1) * width])
                .copied()
                .collect();
            for first in 0..members.min(samples) {
                let own = (first..samples).step_by(members);
                let z: Vec<f64> = (jets.iter())
                    .flat_map(|&i| own.clone().map(|j| noise[i][j]).collect::<Vec<_>>())
                    .collect();
                let mut logits = sample(self.shared, (turn + first) % members, &of, &z)?.into_iter();
                for &i in &jets {
                    for (j, x) in own.clone().zip(&mut logits) {
                        out[i * samples + j] = self.score(x) as f32;
                    }
                }
            }
        }
        Ok(out)
    }
}

fn element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Float32, false))
}

fn arrow(error: ArrowError) -> SurrogateError {
    SurrogateError::Table {
        file: "answers".to_owned(),
        reason: error.to_string(),
    }
}
