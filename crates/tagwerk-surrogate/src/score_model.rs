//! What the evaluation, the packed file and the recalibration need to know of a surrogate: a conditional distribution
//! of one number, for each member of a posterior.
//!
//! The number is the logit of the classifier's score (natural log-odds), so that nothing saturates. All five questions
//! are about the same distribution F of a member: `cdf` is F, `log_density` the log of F', and `sample` the inverse,
//! asked with normal noise: `cdf(sample(z)) = Phi(z)`, ascending in z. Noise is handed in. A model draws nothing, so
//! equal noise for all members needs no promise.

use crate::error::SurrogateError;
use rayon::prelude::*;
use tagwerk_stats::normal_quantile;

/// Jets handed to a model at once.
pub const BLOCK: usize = 256;

/// A surrogate's answers. Blocks are row-major; `B` jets, `C` conditions in physical units and the model's own order,
/// `S` noise numbers a jet.
pub trait ScoreModel: Sync {
    /// Number of weight sets, at least 1.
    fn members(&self) -> usize;

    /// Number of conditions a jet, C, the label among them where the model takes it.
    fn columns(&self) -> usize;

    /// The member that is the point estimate (or the mean network), if one is.
    fn point_estimate(&self) -> Option<usize> {
        None
    }

    /// Probability of a logit at or below the given one.
    ///
    /// # Shapes
    /// - `conditions`: `[B, C]`
    /// - `logits`, `out`: `[B]`
    ///
    /// # Errors
    /// Whatever keeps the model from answering.
    fn cdf(&self, member: usize, conditions: &[f64], logits: &[f64], out: &mut [f64]) -> Result<(), SurrogateError>;

    /// Natural logarithm of the density in the logit. Shapes as [`ScoreModel::cdf`].
    ///
    /// # Errors
    /// Whatever keeps the model from answering.
    fn log_density(
        &self,
        member: usize,
        conditions: &[f64],
        logits: &[f64],
        out: &mut [f64],
    ) -> Result<(), SurrogateError>;

    /// Logits of standard normal noise.
    ///
    /// # Shapes
    /// - `conditions`: `[B, C]`
    /// - `noise`, `out`: `[B, S]`
    ///
    /// # Errors
    /// Whatever keeps the model from answering.
    fn sample(&self, member: usize, conditions: &[f64], noise: &[f64], out: &mut [f64]) -> Result<(), SurrogateError>;

    /// Probability of passing a cut: of a logit above it, for each jet.
    ///
    /// # Errors
    /// As [`ScoreModel::cdf`].
    fn efficiency(&self, member: usize, conditions: &[f64], cut: f64, out: &mut [f64]) -> Result<(), SurrogateError> {
        self.cdf(member, conditions, &vec![cut; out.len()], out)?;
        out.iter_mut().for_each(|p| *p = 1.0 - *p);
        Ok(())
    }

    /// The logit below which a share `level` lies, for each jet.
    ///
    /// # Errors
    /// As [`ScoreModel::sample`].
    fn quantile(&self, member: usize, conditions: &[f64], level: f64, out: &mut [f64]) -> Result<(), SurrogateError> {
        self.sample(member, conditions, &vec![normal_quantile(level); out.len()], out)
    }
}

/// A question to a model: (member, conditions, further input, answers).
type Ask<'a> = dyn Fn(usize, &[f64], &[f64], &mut [f64]) -> Result<(), SurrogateError> + Sync + 'a;

/// Asks about all jets in blocks of [`BLOCK`], in parallel, and checks the answers.
fn ask(
    what: &'static str,
    wanted: (&'static str, fn(f64) -> bool),
    member: usize,
    columns: usize,
    conditions: &[f64],
    input: &[f64],
    question: &Ask<'_>,
) -> Result<Vec<f64>, SurrogateError> {
    let rows = conditions.len() / columns.max(1);
    if columns == 0 || conditions.len() != rows * columns {
        return Err(SurrogateError::Length {
            what: "the block of conditions",
            found: conditions.len(),
            expected: rows * columns,
        });
    }
    if rows == 0 {
        return Ok(Vec::new());
    }
    let each = input.len() / rows;
    if each == 0 || input.len() != rows * each {
        return Err(SurrogateError::Length {
            what,
            found: input.len(),
            expected: rows,
        });
    }
    let mut out = vec![0.0; input.len()];
    let failure = out
        .par_chunks_mut(BLOCK * each)
        .zip(conditions.par_chunks(BLOCK * columns))
        .zip(input.par_chunks(BLOCK * each))
        .enumerate()
        .map(|(block, ((out, conditions), input))| {
            question(member, conditions, input, out)?;
            match out.iter().position(|&v| !wanted.1(v)) {
                None => Ok(()),
                Some(at) => Err(SurrogateError::Answer {
                    what,
                    member,
                    row: block * BLOCK + at / each,
                    value: out[at],
                    wanted: wanted.0,
                }),
            }
        })
        // The failure of the first block, whichever thread was first.
        .filter_map(Result::err)
        .collect::<Vec<_>>();
    match failure.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(out),
    }
}

/// [`ScoreModel::cdf`] of many jets, `[B]`.
///
/// # Errors
/// Shapes that do not fit, a model that fails or answers outside [0, 1].
pub fn cdf<M: ScoreModel + ?Sized>(
    model: &M,
    member: usize,
    conditions: &[f64],
    logits: &[f64],
) -> Result<Vec<f64>, SurrogateError> {
    let wanted = ("in [0, 1]", (|p| (0.0..=1.0).contains(&p)) as fn(f64) -> bool);
    let question = |m: usize, c: &[f64], x: &[f64], out: &mut [f64]| {
        model.cdf(m, c, x, out)?;
        // Rounding of a normal distribution function in f32 may leave the interval by its last digit.
        out.iter_mut().for_each(|p| {
            if (-1e-6..=1.0 + 1e-6).contains(p) {
                *p = p.clamp(0.0, 1.0);
            }
        });
        Ok(())
    };
    ask(
        "the distribution",
        wanted,
        member,
        model.columns(),
        conditions,
        logits,
        &question,
    )
}

/// [`ScoreModel::log_density`] of many jets, `[B]`; minus infinity is an answer.
///
/// # Errors
/// Shapes that do not fit, a model that fails or answers NaN or infinity.
pub fn log_density<M: ScoreModel + ?Sized>(
    model: &M,
    member: usize,
    conditions: &[f64],
    logits: &[f64],
) -> Result<Vec<f64>, SurrogateError> {
    let wanted = (
        "a number below infinity",
        (|p: f64| !p.is_nan() && p < f64::INFINITY) as fn(f64) -> bool,
    );
    let question = |m: usize, c: &[f64], x: &[f64], out: &mut [f64]| model.log_density(m, c, x, out);
    ask(
        "the log-density",
        wanted,
        member,
        model.columns(),
        conditions,
        logits,
        &question,
    )
}

/// [`ScoreModel::sample`] of many jets, noise `[B, S]` to logits `[B, S]`.
///
/// # Errors
/// Shapes that do not fit, a model that fails or answers what is not finite.
pub fn sample<M: ScoreModel + ?Sized>(
    model: &M,
    member: usize,
    conditions: &[f64],
    noise: &[f64],
) -> Result<Vec<f64>, SurrogateError> {
    let wanted = ("finite", f64::is_finite as fn(f64) -> bool);
    let question = |m: usize, c: &[f64], z: &[f64], out: &mut [f64]| model.sample(m, c, z, out);
    ask(
        "a drawn logit",
        wanted,
        member,
        model.columns(),
        conditions,
        noise,
        &question,
    )
}

/// [`ScoreModel::efficiency`] of many jets at one cut, `[B]`.
///
/// # Errors
/// As [`cdf`].
pub fn efficiency<M: ScoreModel + ?Sized>(
    model: &M,
    member: usize,
    conditions: &[f64],
    cut: f64,
) -> Result<Vec<f64>, SurrogateError> {
    let rows = conditions.len() / model.columns().max(1);
    let mut out = cdf(model, member, conditions, &vec![cut; rows])?;
    out.iter_mut().for_each(|p| *p = 1.0 - *p);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers what it is asked, and NaN for row 300 if `broken`.
    struct Echo {
        broken: bool,
    }

    impl ScoreModel for Echo {
        fn members(&self) -> usize {
            1
        }
        fn columns(&self) -> usize {
            2
        }
        fn cdf(&self, _: usize, conditions: &[f64], logits: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
            for (i, out) in out.iter_mut().enumerate() {
                let nan = self.broken && conditions[2 * i] >= 300.0;
                *out = if nan { f64::NAN } else { logits[i] };
            }
            Ok(())
        }
        fn log_density(&self, _: usize, _: &[f64], x: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
            out.copy_from_slice(x);
            Ok(())
        }
        fn sample(&self, _: usize, c: &[f64], noise: &[f64], out: &mut [f64]) -> Result<(), SurrogateError> {
            let each = noise.len() / (c.len() / 2);
            for (i, out) in out.iter_mut().enumerate() {
                *out = noise[i] + c[2 * (i / each)];
            }
            Ok(())
        }
    }

    #[test]
    fn blocks_come_back_in_order() {
        let conditions: Vec<f64> = (0..1000).flat_map(|i| [f64::from(i), 0.0]).collect();
        let noise: Vec<f64> = (0..3000).map(|i| f64::from(i % 3) / 10.0).collect();
        let drawn = sample(&Echo { broken: false }, 0, &conditions, &noise).unwrap();
        assert_eq!((drawn[0], drawn[2999]), (0.0, 999.2));
        assert_eq!(
            efficiency(&Echo { broken: false }, 0, &conditions, 0.25).unwrap(),
            vec![0.75; 1000]
        );
    }

    #[test]
    fn an_answer_that_is_none_names_its_row() {
        let conditions: Vec<f64> = (0..1000).flat_map(|i| [f64::from(i), 0.0]).collect();
        let error = cdf(&Echo { broken: true }, 0, &conditions, &[0.5; 1000]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "member 0 answers NaN for the distribution of row 300: it must be in [0, 1]"
        );
        assert!(cdf(&Echo { broken: false }, 0, &conditions, &[2.0; 1000]).is_err());
        assert!(cdf(&Echo { broken: false }, 0, &conditions[..3], &[0.5]).is_err());
        assert!(cdf(&Echo { broken: false }, 0, &conditions, &[0.5; 7]).is_err());
    }
}
