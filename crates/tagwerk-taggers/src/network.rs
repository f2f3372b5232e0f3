//! From a network to a learner: one step, one score, files.

use crate::error::TaggerError;
use std::path::Path;
use std::sync::Arc;
use tagwerk_nn::layers::{Parts, Pass};
use tagwerk_nn::ops::Sites;
use tagwerk_nn::optimizer::{Adam, AdamConfig, Lookahead};
use tagwerk_nn::{Device, Segments, Tensor, TensorData, loss, weights};
use tagwerk_physics::{DenseView, JaggedView, View};
use tagwerk_train::{Batch, Examples, Learner, LearnerError, OptimizerKind, TrainingConfig, Update};

/// What the outputs of a network mean, and so how it learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// Two logits, or the log-odds of signal; learned by cross entropy.
    TwoClasses,
    /// One number, counted from `center` in units of `scale`; learned by its squared error.
    Number {
        /// Where outputs are 0, in the target's unit.
        center: f32,
        /// What an output of 1 is worth, in the target's unit.
        scale: f32,
    },
}

/// A network of two classes, or of a number.
pub trait Network: Parts + Send + std::fmt::Debug {
    /// Sees the training jets once before a new training: see [`Learner::prepare`]. Default: nothing.
    ///
    /// # Errors
    /// Examples that cannot be read or do not fit.
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), TaggerError> {
        let _ = train;
        Ok(())
    }

    /// What the outputs mean. Default: two classes.
    fn objective(&self) -> Objective {
        Objective::TwoClasses
    }

    /// Outputs of a batch.
    ///
    /// # Shapes
    /// - `view`: `B` jets
    /// - returns logits `[B, 2]` (background, signal), or `[B, 1]`, which that of a number has to be
    ///
    /// # Errors
    /// A view of another kind or width.
    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError>;

    /// What a training step makes smaller, `[1]`. Default: the (weighted) mean cross entropy.
    fn loss(&self, logits: Tensor<2>, batch: &Batch, pass: &Pass) -> Tensor<1> {
        let _ = pass;
        loss::cross_entropy(logits, &batch.labels, batch.weights.as_deref())
    }
}

/// Rows of a jagged view as a tensor `[R, C]`, with their jets.
///
/// # Errors
/// A view that is not jagged, or of another width.
pub fn rows(
    tagger: &'static str,
    view: &View,
    width: usize,
    device: &Device,
) -> Result<(Tensor<2>, Segments), TaggerError> {
    match view {
        View::Jagged(JaggedView {
            width: found,
            rows,
            offsets,
        }) if *found == width => {
            let segments = Segments::new(offsets.clone())?;
            let rows = Tensor::from_data(TensorData::new(rows.clone(), [segments.rows(), width]), device);
            Ok((rows, segments))
        }
        other => Err(TaggerError::View {
            tagger,
            expected: "jagged constituents",
            found: describe(other),
        }),
    }
}

/// A vector view as a tensor `[B, C]`.
///
/// # Errors
/// A view that is no vector of this width.
pub fn vectors(tagger: &'static str, view: &View, width: usize, device: &Device) -> Result<Tensor<2>, TaggerError> {
    match view {
        View::Dense(DenseView { shape, values }) if shape[..] == [width] => Ok(Tensor::from_data(
            TensorData::new(values.clone(), [values.len() / width, width]),
            device,
        )),
        other => Err(TaggerError::View {
            tagger,
            expected: "a vector a jet",
            found: describe(other),
        }),
    }
}

/// A vector view of this width on the host: what learners without a tensor read.
///
/// # Errors
/// A view that is no vector of this width.
pub(crate) fn dense<'a>(tagger: &'static str, view: &'a View, width: usize) -> Result<&'a DenseView, TaggerError> {
    match view {
        View::Dense(view) if view.shape[..] == [width] => Ok(view),
        other => Err(TaggerError::View {
            tagger,
            expected: "a vector a jet",
            found: describe(other),
        }),
    }
}

/// Jagged rows of this width on the host.
///
/// # Errors
/// A view that is not jagged, or of another width.
pub(crate) fn jagged<'a>(tagger: &'static str, view: &'a View, width: usize) -> Result<&'a JaggedView, TaggerError> {
    match view {
        View::Jagged(view) if view.width == width => Ok(view),
        other => Err(TaggerError::View {
            tagger,
            expected: "jagged rows",
            found: describe(other),
        }),
    }
}

/// Pictures of `C` channels as rows of the pixels that are not empty, and of the empty picture, `[R + P, C]`.
///
/// # Errors
/// A view that is no picture of this size.
pub fn pictures(
    tagger: &'static str,
    view: &View,
    size: [usize; 2],
    channels: usize,
    device: &Device,
) -> Result<(Tensor<2>, Arc<Sites>), TaggerError> {
    let values = size[0] * size[1] * channels;
    match view {
        View::Dense(DenseView { shape, values: found }) if shape.iter().product::<usize>() == values => {
            let sites = computed(tagger, Sites::nonzero(size, channels, found))?;
            let data = TensorData::new(sites.gather(channels, found), [sites.row_count(), channels]);
            Ok((Tensor::from_data(data, device), sites))
        }
        other => Err(TaggerError::View {
            tagger,
            expected: "a picture a jet",
            found: describe(other),
        }),
    }
}

/// Jagged rows as sequences of `length`, zeros at the end and what is longer cut off: `[B L, C]`, and their number.
///
/// # Errors
/// A view that is not jagged, or of another width.
pub fn padded_sequences(
    tagger: &'static str,
    view: &View,
    width: usize,
    length: usize,
    device: &Device,
) -> Result<(Tensor<2>, usize), TaggerError> {
    match view {
        View::Jagged(v) if v.width == width => {
            let mut values = vec![0.0; v.len() * length * width];
            for (b, sequence) in values.chunks_exact_mut(length * width).enumerate() {
                let rows = v.range(b);
                let rows = rows.start..rows.end.min(rows.start + length);
                sequence[..rows.len() * width].copy_from_slice(&v.rows[rows.start * width..rows.end * width]);
            }
            let data = TensorData::new(values, [v.len() * length, width]);
            Ok((Tensor::from_data(data, device), v.len()))
        }
        other => Err(TaggerError::View {
            tagger,
            expected: "jagged constituents",
            found: describe(other),
        }),
    }
}

/// Jagged rows as sequences of `length` that end in zeros, what is longer cut off: the rows that are there and `reach`
/// more, and the empty sequence, `[R + L, C]`.
///
/// # Errors
/// A view that is not jagged, or of another width.
pub fn sequences(
    tagger: &'static str,
    view: &View,
    width: usize,
    length: usize,
    reach: usize,
    device: &Device,
) -> Result<(Tensor<2>, Arc<Sites>), TaggerError> {
    match view {
        View::Jagged(v) if v.width == width => {
            let counts = (0..v.len()).map(|b| v.range(b).len() + reach);
            let sites = computed(tagger, Sites::leading(length, counts))?;
            let mut values = vec![0.0; sites.row_count() * width];
            for (b, own) in sites.offsets().windows(2).take(v.len()).enumerate() {
                let rows = v.range(b);
                let rows = rows.start..rows.end.min(rows.start + length);
                values[own[0] * width..][..rows.len() * width]
                    .copy_from_slice(&v.rows[rows.start * width..rows.end * width]);
            }
            let data = TensorData::new(values, [sites.row_count(), width]);
            Ok((Tensor::from_data(data, device), sites))
        }
        other => Err(TaggerError::View {
            tagger,
            expected: "jagged constituents",
            found: describe(other),
        }),
    }
}

/// The leading `length` four-momenta of each jet as columns, null vectors where a jet has fewer: `[4 B, N]`, for each
/// jet its energies, then its momenta along x, y and z.
///
/// # Errors
/// A view that is not jagged, or of another width than four.
pub fn four_vectors(
    tagger: &'static str,
    view: &View,
    length: usize,
    device: &Device,
) -> Result<Tensor<2>, TaggerError> {
    match view {
        View::Jagged(v) if v.width == 4 => {
            let mut values = vec![0.0; 4 * v.len() * length];
            for (b, columns) in values.chunks_exact_mut(4 * length).enumerate() {
                for (i, row) in v.jet(b).chunks_exact(4).take(length).enumerate() {
                    for (c, component) in row.iter().enumerate() {
                        columns[c * length + i] = *component;
                    }
                }
            }
            Ok(Tensor::from_data(
                TensorData::new(values, [4 * v.len(), length]),
                device,
            ))
        }
        other => Err(TaggerError::View {
            tagger,
            expected: "four-momenta of constituents",
            found: describe(other),
        }),
    }
}

/// Sites that could be made.
///
/// # Errors
/// None, but for a batch beyond all memory.
pub fn computed(tagger: &'static str, sites: Option<Sites>) -> Result<Arc<Sites>, TaggerError> {
    sites.map(Arc::new).ok_or_else(|| TaggerError::View {
        tagger,
        expected: "pictures of its own size, with fewer than 2^32 pixels a batch",
        found: "others".into(),
    })
}

/// A view in words, for errors.
pub(crate) fn describe(view: &View) -> String {
    match view {
        View::Jagged(v) => format!("rows of {} channels", v.width),
        View::Dense(v) => format!("arrays of shape {:?}", v.shape),
        View::Tree(v) => format!("trees of {} channels a node", v.nodes.width),
    }
}

/// A network with Adam.
#[derive(Debug)]
pub struct NetworkLearner<N> {
    network: N,
    adam: Adam,
    device: Device,
    seed: u64,
}

impl<N: Network> NetworkLearner<N> {
    /// Moments of zero, settings from the training.
    pub fn new(mut network: N, training: &TrainingConfig, device: &Device) -> Self {
        let optimizer = &training.optimizer;
        let config = AdamConfig {
            beta1: optimizer.betas[0],
            beta2: optimizer.betas[1],
            epsilon: optimizer.eps,
            weight_decay: optimizer.weight_decay,
            decay_biases: optimizer.decay_biases,
            decoupled: optimizer.kind != OptimizerKind::Adam,
            rectified: optimizer.kind == OptimizerKind::Ranger,
            lookahead: (optimizer.kind == OptimizerKind::Ranger).then_some(Lookahead { every: 6, share: 0.5 }),
            clip: training.gradient_clip_norm,
        };
        let adam = Adam::new(config, &mut network);
        Self {
            network,
            adam,
            device: device.clone(),
            seed: training.seed,
        }
    }
}

/// The outputs, which must be one an event to be a number.
fn one_output(outputs: Tensor<2>) -> Result<Tensor<2>, LearnerError> {
    match outputs.dims() {
        [_, 1] => Ok(outputs),
        [_, n] => Err(LearnerError::new(format!(
            "{n} outputs of a network; a regression needs one"
        ))),
    }
}

impl<N> NetworkLearner<N> {
    /// The network.
    pub(crate) fn network(&self) -> &N {
        &self.network
    }
}

const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

impl<N: Network> Learner for NetworkLearner<N> {
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), LearnerError> {
        self.network.prepare(train).map_err(LearnerError::wrap)
    }

    fn step(&mut self, batch: &Batch, update: Update) -> Result<f64, LearnerError> {
        let pass = Pass::Training {
            seed: self.seed,
            step: update.step,
        };
        let device = pass.device(&self.device);
        let logits = self
            .network
            .forward(&batch.view, &pass, &device)
            .map_err(LearnerError::wrap)?;
        let (loss, unit) = match self.network.objective() {
            Objective::TwoClasses => (self.network.loss(logits, batch, &pass), 1.0),
            Objective::Number { center, scale } => {
                let targets: Vec<f32> = batch.labels.iter().map(|&target| (target - center) / scale).collect();
                let loss = loss::mean_squared_error(one_output(logits)?, &targets, batch.weights.as_deref());
                (loss, f64::from(scale).powi(2))
            }
        };
        let gradients = loss.backward();
        let value: f32 = loss
            .inner()
            .try_into_scalar()
            .map_err(|e| LearnerError::new(format!("reading the loss: {e:?}")))?;
        // A loss that is no number must not reach the weights; the loop reports it with its rows.
        if value.is_finite() {
            self.adam
                .step(&mut self.network, gradients, update.learning_rate)
                .map_err(LearnerError::wrap)?;
        }
        // In the target's unit, as the validation's is.
        Ok(f64::from(value) * unit)
    }

    fn score(&mut self, batch: &Batch) -> Result<Vec<f32>, LearnerError> {
        let device = Pass::Scoring.device(&self.device);
        let logits = self
            .network
            .forward(&batch.view, &Pass::Scoring, &device)
            .map_err(LearnerError::wrap)?;
        let scores = match self.network.objective() {
            Objective::TwoClasses => loss::log_odds(logits),
            Objective::Number { center, scale } => loss::log_odds(one_output(logits)?) * scale + center,
        };
        scores
            .into_data()
            .convert::<f32>()
            .try_into_vec()
            .map_err(|e| LearnerError::new(format!("reading the scores: {e:?}")))
    }

    fn parameter_count(&self) -> usize {
        self.network.parameter_count()
    }

    fn save(&self, dir: &Path) -> Result<(), LearnerError> {
        weights::save(&self.network, &dir.join(WEIGHTS)).map_err(LearnerError::wrap)?;
        weights::save_optimizer(&self.adam, &dir.join(OPTIMIZER)).map_err(LearnerError::wrap)
    }

    fn load(&mut self, dir: &Path) -> Result<(), LearnerError> {
        // Both files are read and checked before either changes anything.
        let checked = weights::check(&self.network, &dir.join(WEIGHTS)).map_err(LearnerError::wrap)?;
        let moments = weights::read_optimizer(&self.adam, &dir.join(OPTIMIZER)).map_err(LearnerError::wrap)?;
        weights::apply(&mut self.network, checked);
        self.adam.restore(moments);
        Ok(())
    }

    fn load_weights(&mut self, dir: &Path) -> Result<(), LearnerError> {
        weights::load(&mut self.network, &dir.join(WEIGHTS)).map_err(LearnerError::wrap)
    }
}
