//! Variational inference with a Gaussian for each weight: Bayes by backprop.
//!
//! Blundell et al., arXiv:1505.05424, with q(w) = N(mu, softplus(rho)^2) and prior N(0, sigma_p^2). Minimized is, in
//! units of the mean loss,
//!
//! F = E_q(mean loss) + beta_KL KL(q, prior) / (lambda_per_datum N),
//!
//! so that beta_KL = 1 is the variational form of the tempered posterior ([`Energy`]), and with lambda_per_datum = 1
//! and loss -log p the negative evidence bound. KL is **summed** over all weights, KL = sum ln(sigma_p / sigma) +
//! (sigma^2 + mu^2) / (2 sigma_p^2) - 1/2, and its gradient acts.
//!
//! **The released surrogate code** averages KL over each tensor, adds the averages, divides by the batch, and loses the
//! gradient on the way: whatever its factor, sigma is shaped by the loss alone and shrinks. [`as_released`] repeats
//! that, with the weight decay that the script has by default; [`VariationalState::released_kl`] is the number that it
//! would log.
//!
//! **Noise** ([`Noise`]): one draw of weights a step, as published; or, for a model with [`LinearLayers`], noise of
//! each row's own by local reparameterization (Kingma, Salimans, Welling, arXiv:1506.02557) or flipout (Wen et al.,
//! arXiv:1803.04386), whose gradients scatter less. Whatever the fit had, a draw for use is one set of weights, fixed
//! for all jets and all steps of a solver.
//!
//! A fit is walked as a [`Chain`](super::Chain), so it is saved, resumed and traced like one; the chain's weights are
//! mu.
//!
//! **Cost** a step: `draws_per_step` G (losses and gradient) on the step's rows; with local reparameterization the
//! products with W are two, for mean and variance.
//!
//! [`as_released`]: VariationalConfig::as_released

mod config;
mod noise_maps;

pub use config::{Noise, Start, VariationalConfig};
pub use noise_maps::{FlipoutMap, LocalMap};

use super::arrays::Arrays;
use super::batches::Batches;
use super::chain::{ChainState, Moment, Sampler, StepReport};
use super::chains::ChainsConfig;
use super::energy::{Energy, Prior, mean, setting_error};
use super::moments::Moments;
use super::sgld::{diverged, unadjusted};
use crate::SurrogateError;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use rayon::prelude::*;
use tagwerk_data::random::{normal, stream};
use tagwerk_stats::{logistic, softplus};

/// A fitted, or half fitted, mean field.
#[derive(Debug, Clone)]
pub struct VariationalState {
    /// mu `[P]`, then rho `[P]`.
    parameters: Vec<f64>,
    weights: usize,
    moments: Moments,
    losses: Vec<f64>,
    gradient: Vec<f64>,
    sum: Vec<f64>,
    step: Vec<f64>,
}

impl VariationalState {
    fn new(parameters: Vec<f64>, moments: Moments) -> Self {
        Self {
            weights: parameters.len() / 2,
            parameters,
            moments,
            losses: Vec::new(),
            gradient: Vec::new(),
            sum: Vec::new(),
            step: Vec::new(),
        }
    }

    /// mu, `[P]`: the mean network.
    pub fn mean(&self) -> &[f64] {
        &self.parameters[..self.weights]
    }

    /// sigma = softplus(rho), `[P]`.
    pub fn deviation(&self) -> Vec<f64> {
        self.rho().iter().map(|&rho| softplus(rho)).collect()
    }

    fn rho(&self) -> &[f64] {
        &self.parameters[self.weights..]
    }

    /// KL of each weight against N(0, `prior`^2), in nats; their sum is KL(q, prior).
    pub fn kl(&self, prior: f64) -> Vec<f64> {
        let pairs = self.mean().iter().zip(self.rho());
        pairs
            .map(|(mu, &rho)| {
                let sigma = softplus(rho);
                (prior / sigma).ln() + (sigma * sigma + mu * mu) / (2.0 * prior * prior) - 0.5
            })
            .collect()
    }

    /// What the released code adds to its printed loss for `factor` k: k / batch times the sum over the tensors of KL
    /// averaged over the tensor. It has no gradient there.
    pub fn released_kl(&self, prior: f64, tensors: &[usize], batch: usize, factor: f64) -> f64 {
        let kl = self.kl(prior);
        let mut begin = 0;
        let averages = tensors.iter().map(|&length| {
            let average = mean(&kl[begin..begin + length]);
            begin += length;
            average
        });
        factor * averages.sum::<f64>() / batch as f64
    }

    /// `draws` draws of weights `[D, P]`; draw `d` is a function of (seed, d).
    pub fn draws(&self, seed: u64, draws: usize) -> Vec<f32> {
        let deviation = self.deviation();
        let one = |index: usize| {
            let mut rng = stream(seed, "variational draw", index as u64);
            let pairs = self.mean().iter().zip(&deviation);
            pairs
                .map(|(mu, sigma)| (mu + sigma * normal(&mut rng)) as f32)
                .collect::<Vec<f32>>()
        };
        (0..draws).into_par_iter().map(one).collect::<Vec<_>>().concat()
    }
}

impl ChainState for VariationalState {
    fn weights(&self) -> &[f64] {
        self.mean()
    }

    fn save(&self, arrays: &mut Arrays) {
        arrays.vector("mu", self.mean());
        arrays.vector("rho", self.rho());
        self.moments.save("adam", arrays);
    }

    fn load(arrays: &mut Arrays, weights: usize) -> Result<Self, SurrogateError> {
        let mut parameters: Vec<f64> = arrays.take_vector("mu", weights)?;
        parameters.extend(arrays.take_vector::<f64>("rho", weights)?);
        let moments = Moments::load("adam", arrays, 2 * weights)?;
        Ok(Self::new(parameters, moments))
    }
}

impl Sampler for VariationalConfig {
    type State = VariationalState;

    fn method(&self) -> &'static str {
        "variational"
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn check(&self, _: &ChainsConfig) -> Result<(), SurrogateError> {
        self.check_settings()
    }

    fn start(
        &self,
        energy: &Energy,
        mut weights: Vec<f64>,
        batches: &mut Batches,
    ) -> Result<VariationalState, SurrogateError> {
        prior_width(energy)?;
        if self.noise != Noise::Shared && energy.target().linear_layers().is_none() {
            return Err(setting_error(
                "noise",
                self.noise.name(),
                "shared, unless the model shows its linear layers (a surrogate does with loss.kind = \"matching\")",
            ));
        }
        let mut rng = batches.stream("start");
        if self.start == Start::Random {
            weights
                .iter_mut()
                .for_each(|w| *w = self.mean_spread * normal(&mut rng));
        }
        let rho = weights
            .iter()
            .map(|_| self.rho_start + self.rho_spread * normal(&mut rng));
        let rho: Vec<f64> = rho.collect();
        weights.extend(rho);
        let moments = Moments::new(weights.len());
        Ok(VariationalState::new(weights, moments))
    }

    fn step(
        &self,
        energy: &Energy,
        state: &mut VariationalState,
        now: Moment,
        rng: &mut ChaCha8Rng,
    ) -> Result<StepReport, SurrogateError> {
        let mut loss = 0.0;
        let share = 1.0 / self.draws_per_step as f64;
        let mut sum = std::mem::take(&mut state.sum);
        sum.clear();
        sum.resize(2 * state.weights, 0.0);
        for _ in 0..self.draws_per_step {
            loss += share
                * match self.noise {
                    Noise::Shared => self.shared_draw(energy, state, &now, rng, share, &mut sum)?,
                    _ => self.own_noise(energy, state, &now, rng, share, &mut sum)?,
                };
        }
        if !loss.is_finite() {
            return Err(diverged(now.step));
        }
        if !self.as_released {
            let factor = self.beta_at(now.step) / energy.on_mean_loss();
            add_kl_gradient(&state.parameters, prior_width(energy)?, factor, &mut sum);
        }
        let adam = self.adam();
        state.moments.step_with(&adam, &sum, &mut state.step);
        state.moments.advance(&adam, &sum);
        let kept = 1.0 - self.learning_rate * self.weight_decay;
        let parameters = state.parameters.iter_mut().zip(&state.step);
        parameters.for_each(|(p, u)| *p = kept * *p - u);
        state.sum = sum;
        Ok(unadjusted(loss))
    }
}

impl VariationalConfig {
    /// One draw of weights for all rows: w = mu + sigma eps, dF/dmu = g, dF/drho = g eps logistic(rho).
    fn shared_draw(
        &self,
        energy: &Energy,
        state: &mut VariationalState,
        now: &Moment,
        rng: &mut ChaCha8Rng,
        share: f64,
        sum: &mut [f64],
    ) -> Result<f64, SurrogateError> {
        let (mu, rho) = state.parameters.split_at(state.weights);
        let noise: Vec<f64> = mu.iter().map(|_| normal(rng)).collect();
        let draws = mu.iter().zip(rho).zip(&noise);
        let weights: Vec<f64> = draws.map(|((mu, &rho), eps)| mu + softplus(rho) * eps).collect();
        energy.data_gradient(&weights, now.part, &mut state.losses, &mut state.gradient)?;
        let (for_mu, for_rho) = sum.split_at_mut(state.weights);
        for (i, g) in state.gradient.iter().enumerate() {
            for_mu[i] += share * g;
            for_rho[i] += share * g * noise[i] * logistic(rho[i]);
        }
        Ok(mean(&state.losses))
    }

    /// Noise of each row's own, through the model's layers.
    fn own_noise(
        &self,
        energy: &Energy,
        state: &mut VariationalState,
        now: &Moment,
        rng: &mut ChaCha8Rng,
        share: f64,
        sum: &mut [f64],
    ) -> Result<f64, SurrogateError> {
        let Some(model) = energy.target().linear_layers() else {
            return Err(setting_error(
                "noise",
                "not shared",
                "shared: this model does not show its linear layers",
            ));
        };
        let seed = rng.next_u64();
        let rows = now.part.len(energy.target().rows());
        state.losses.resize(rows, 0.0);
        state.gradient.resize(2 * state.weights, 0.0);
        let (losses, gradient) = (&mut state.losses, &mut state.gradient);
        let (mu, rho) = state.parameters.split_at(state.weights);
        let outcome = if self.noise == Noise::Flipout {
            let map = FlipoutMap::new(model.layers(), mu, rho, seed);
            model.loss_and_gradient_through(&map, now.part, losses, gradient)
        } else {
            let map = LocalMap::new(model.layers(), mu, rho, seed);
            model.loss_and_gradient_through(&map, now.part, losses, gradient)
        };
        outcome.map_err(|source| SurrogateError::Target {
            what: "losses and gradient through its layers",
            source,
        })?;
        let factor = share / rows as f64;
        sum.iter_mut().zip(&state.gradient).for_each(|(s, g)| *s += factor * g);
        Ok(mean(&state.losses))
    }
}

/// The width of the prior, which variational inference cannot do without.
fn prior_width(energy: &Energy) -> Result<f64, SurrogateError> {
    match energy.prior() {
        Prior::Gaussian { sigma } => Ok(sigma),
        Prior::Flat => Err(setting_error("prior", "flat", "gaussian for variational inference")),
    }
}

/// Adds factor dKL/d(mu, rho): mu / sigma_p^2, and (sigma / sigma_p^2 - 1 / sigma) logistic(rho).
fn add_kl_gradient(parameters: &[f64], prior: f64, factor: f64, sum: &mut [f64]) {
    let weights = parameters.len() / 2;
    let precision = 1.0 / (prior * prior);
    let (mu, rho) = parameters.split_at(weights);
    let (for_mu, for_rho) = sum.split_at_mut(weights);
    for (g, mu) in for_mu.iter_mut().zip(mu) {
        *g += factor * mu * precision;
    }
    for (g, &rho) in for_rho.iter_mut().zip(rho) {
        let sigma = softplus(rho);
        *g += factor * (sigma * precision - 1.0 / sigma) * logistic(rho);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The KL must have a gradient: the reference's had none, and nobody noticed.
    #[test]
    fn the_gradient_of_kl_is_that_of_its_value() {
        let parameters = vec![0.3, -1.2, 0.0, -3.0, 0.7, 2.0];
        let value = |parameters: &[f64]| -> f64 {
            let state = VariationalState::new(parameters.to_vec(), Moments::new(0));
            state.kl(0.7).iter().sum()
        };
        let mut gradient = vec![0.0; 6];
        add_kl_gradient(&parameters, 0.7, 1.0, &mut gradient);
        for (i, expected) in gradient.iter().enumerate() {
            let shifted = |h: f64| {
                let mut moved = parameters.clone();
                moved[i] += h;
                value(&moved)
            };
            let difference = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!((difference - expected).abs() < 1e-7, "{i}: {difference} {expected}");
        }
    }

    /// softplus(-3) is the published start; KL of N(0, 0.0486) is 2.53 a weight.
    #[test]
    fn the_published_start_has_its_width_and_kl() {
        assert!((softplus(-3.0) - 0.04859).abs() < 1e-5);
        let state = VariationalState::new(vec![0.0, -3.0], Moments::new(0));
        assert!((state.kl(1.0)[0] - 2.5254).abs() < 1e-3, "{:?}", state.kl(1.0));
        // Two tensors of 2 and 1 weights, k = 100, batch 131,072.
        let state = VariationalState::new(vec![0.0, 0.0, 0.0, -3.0, -3.0, -3.0], Moments::new(0));
        let released = state.released_kl(1.0, &[2, 1], 131_072, 100.0);
        assert!((released - 100.0 * 2.0 * 2.5254 / 131_072.0).abs() < 1e-6, "{released}");
    }
}
