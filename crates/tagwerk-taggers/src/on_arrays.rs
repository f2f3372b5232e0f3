//! General networks on events that are arrays: an encoder before them, and a target behind them.
//!
//! Which data set it is, and what is learned, a network need not know. [`OnArrays`] stands around it: it fits the
//! encoding of the inputs on the training events ([`tagwerk_physics::Encoding`]) and, of a regression, mean and
//! standard deviation of the targets; it encodes each batch, and says how outputs become predictions. Both are parts of
//! the whole, so they lie in its weight files and a run can be scored anywhere.

use crate::encoder::{Encoded, Encoder};
use crate::error::TaggerError;
use crate::general::{General, Input};
use crate::graph::Graph;
use crate::network::{Network, NetworkLearner, Objective};
use tagwerk_data::Task;
use tagwerk_nn::layers::{Part, PartMut, Parts, Pass, Standardize};
use tagwerk_nn::{Device, Tensor};
use tagwerk_physics::{ArrayInput, Connection, View};
use tagwerk_train::{Examples, Learner, Order, TrainingConfig};

/// A network with what stands before and behind it.
#[derive(Debug)]
pub(crate) struct OnArrays<N> {
    network: N,
    encoder: Encoder,
    /// Center and scale of the targets of a regression.
    target: Option<Standardize>,
}

impl<N: Network> Network for OnArrays<N> {
    fn prepare(&mut self, train: &dyn Examples) -> Result<(), TaggerError> {
        self.encoder.fit(train)?;
        if let Some(target) = &mut self.target {
            let (center, scale) = target_moments(train)?;
            target.fit(vec![center], vec![scale])?;
        }
        self.network.prepare(&Encoded {
            examples: train,
            encoder: &self.encoder,
        })
    }

    fn objective(&self) -> Objective {
        match &self.target {
            None => Objective::TwoClasses,
            Some(target) => {
                let [center, scale] = target.values();
                Objective::Number {
                    center: center[0],
                    scale: scale[0],
                }
            }
        }
    }

    fn forward(&mut self, view: &View, pass: &Pass, device: &Device) -> Result<Tensor<2>, TaggerError> {
        let view = self.encoder.apply(view)?;
        self.network.forward(&view, pass, device)
    }
}

impl<N: Network> Parts for OnArrays<N> {
    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = self.encoder.parts();
        parts.extend(self.target.iter().flat_map(Parts::parts));
        parts.extend(self.network.parts());
        parts
    }

    fn parts_mut(&mut self) -> Vec<PartMut<'_>> {
        let mut parts = self.encoder.parts_mut();
        parts.extend(self.target.iter_mut().flat_map(Parts::parts_mut));
        parts.extend(self.network.parts_mut());
        parts
    }
}

/// Mean and population standard deviation of the targets.
fn target_moments(train: &dyn Examples) -> Result<(f32, f32), TaggerError> {
    const BATCH: usize = 1024;
    let events = train.len().max(1) as f64;
    let sum = |value: &dyn Fn(f64) -> f64| {
        let mut sum = 0.0;
        for batch in train.batches(Order::STORED, BATCH, 0) {
            sum += batch?.labels.iter().map(|&label| value(f64::from(label))).sum::<f64>();
        }
        Ok::<f64, TaggerError>(sum / events)
    };
    let mean = sum(&|target| target)?;
    let variance = sum(&|target| (target - mean).powi(2))?;
    Ok((mean as f32, variance.sqrt() as f32))
}

/// A fresh learner of a general tagger on such events.
///
/// # Errors
/// Events of a shape that the tagger does not read; settings that it refuses.
pub(crate) fn learner(
    tagger: &dyn General,
    events: &ArrayInput,
    task: Task,
    training: &TrainingConfig,
    device: &Device,
) -> Result<Box<dyn Learner>, TaggerError> {
    let events = if tagger.reads_identities() {
        events.clone().with_identities()
    } else {
        events.clone()
    };
    let network = tagger.network(&input(&events), training.seed, device)?;
    let whole = OnArrays {
        network,
        encoder: Encoder::new(tagger.name(), &events, tagger.reads_vectors()),
        target: (task == Task::Regression).then(|| Standardize::new("target", 1)),
    };
    Ok(Box::new(NetworkLearner::new(whole, training, device)))
}

/// What a network is built for, of such events.
pub(crate) fn input(events: &ArrayInput) -> Input {
    let graph = events.connection.map(|connection| match connection {
        Connection::Grid { height, width } => Graph::Grid { height, width },
        Connection::Mothers => Graph::Mothers,
    });
    Input {
        shape: events.shape.clone(),
        graph,
    }
}
