//! What makes a parametric network.

use crate::error::ParametricError;
use serde::{Deserialize, Serialize};

/// How a hypothesis enters (arXiv:2202.00424).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Not at all: one network for all masses that does not know which.
    None,
    /// As further inputs, `[x, m]`.
    Concat,
    /// `x + (m W_b + c_b)`.
    Biasing,
    /// `x (m W_s + c_s)`.
    Scaling,
    /// `x (m W_s + c_s) + (m W_b + c_b)`.
    #[default]
    Affine,
    /// `x (1 + s(m)) + b(m)`, s and b from a small network (arXiv:1709.07871).
    Film,
    /// Weights of the layers depend on m: `W + sum_r a_r(m) u_r v_r`, a from a small network (arXiv:1609.09106). `place` says of
    /// which: `start` of the first hidden layer, `all` of each, `end` of the last.
    Hyper,
}

/// Where a hypothesis enters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// At the inputs.
    Start,
    /// Behind each hidden layer.
    #[default]
    All,
    /// Behind the last hidden layer.
    End,
}

/// How the maps of a conditioning start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// Scale 1, shift 0.
    #[default]
    Identity,
    /// Glorot uniform weights, constants 0: the original. Scales then start near 0.
    Glorot,
}

/// Activation of the hidden layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hidden {
    /// max(x, 0).
    #[default]
    Relu,
    /// arXiv:1706.02515.
    Selu,
}

/// How dense weights start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightInit {
    /// Uniform in ±sqrt(6 / fan_in): the original's tutorial and its study of conditionings.
    #[default]
    HeUniform,
    /// Uniform in ±sqrt(6 / (fan_in + fan_out)): the default of the original code.
    GlorotUniform,
    /// Normal of variance 1 / fan_in, for SELU.
    LecunNormal,
}

/// A dense network with a hypothesis. The defaults are the affine network of arXiv:2202.00424 with an identity start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// How the hypothesis enters. Default: affine.
    pub method: Method,
    /// Where. Default: all.
    pub place: Place,
    /// Widths of the hidden layers. Default: [300, 150, 100, 50].
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers. Default: relu.
    pub activation: Hidden,
    /// Start of the dense weights. Default: he-uniform.
    pub init: WeightInit,
    /// Start of scales and shifts. Default: identity; the original is glorot.
    pub start: Start,
    /// Dropout behind each hidden layer. Default: 0.25.
    pub dropout: f64,
    /// Batch normalization behind each hidden layer and its conditioning. Default: no.
    pub batch_norm: bool,
    /// Lambda of `lambda sum w^2` over dense weights, added to the loss. Default: 1e-5.
    pub l2_kernel: f64,
    /// The same over dense biases. Scales and shifts have none. Default: 1e-6.
    pub l2_bias: f64,
    /// What each parameter is divided by; one number serves all. Default: `[1000]` (GeV to TeV).
    pub parameter_scale: Vec<f64>,
    /// Frequencies of the Fourier embedding of each scaled parameter t: sin and cos of `2^k pi t` stand beside it. Default: 0.
    pub fourier: usize,
    /// Hidden widths of the small networks of `film` and `hyper`. Default: `[32]`.
    pub generator: Vec<usize>,
    /// Terms of the sum of `hyper`. Default: 4.
    pub rank: usize,
    /// Standard deviation of the noise added to each scaled parameter in training. Default: 0.
    pub parameter_noise: f64,
    /// Whether features are brought to mean 0 and deviation 1 of the training events. Default: yes. The published
    /// HEPMASS files are so already.
    pub standardize: bool,
    /// Features beyond so many deviations are moved there. Default: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Gamma of the focal loss; 0 is cross entropy. Default: 0.
    pub focal_gamma: f64,
    /// Whether signal and each background process are a class of their own, learned by the cross entropy of a softmax. The score
    /// stays one number: the log-odds of signal against all of them together. Default: no, background is one class.
    pub processes: bool,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            method: Method::default(),
            place: Place::default(),
            hidden: vec![300, 150, 100, 50],
            activation: Hidden::default(),
            init: WeightInit::default(),
            start: Start::default(),
            dropout: 0.25,
            batch_norm: false,
            l2_kernel: 1e-5,
            l2_bias: 1e-6,
            parameter_scale: vec![1000.0],
            fourier: 0,
            generator: vec![32],
            rank: 4,
            parameter_noise: 0.0,
            standardize: true,
            clip: None,
            focal_gamma: 0.0,
            processes: false,
        }
    }
}

impl NetworkConfig {
    /// The plain parametrized network of arXiv:1601.07913: the mass is one more input.
    pub fn concat() -> Self {
        Self {
            method: Method::Concat,
            place: Place::Start,
            ..Self::default()
        }
    }

    /// The same network without the mass.
    pub fn without_parameter() -> Self {
        Self {
            method: Method::None,
            ..Self::default()
        }
    }

    /// Values by which the network knows a hypothesis of `parameters` parameters.
    pub(super) fn known(&self, parameters: usize) -> usize {
        parameters * (1 + 2 * self.fourier)
    }

    /// What parameter `i` is divided by.
    pub(super) fn scale_of(&self, i: usize) -> f64 {
        let scale = self.parameter_scale.get(i).or(self.parameter_scale.first());
        scale.copied().unwrap_or(1.0)
    }

    /// What must be said of parameters whose lowest and highest values are `range: [P]`: far from 1, once scaled, they
    /// hardly move the network, or move nothing else.
    pub(crate) fn strange_scale(&self, range: &[[f32; 2]], names: &[String]) -> Vec<String> {
        /// Where the largest scaled value should lie.
        const USUAL: std::ops::RangeInclusive<f64> = 0.05..=20.0;
        if self.method == Method::None {
            return Vec::new();
        }
        let largest = range.iter().map(|[low, high]| f64::from(low.abs().max(high.abs())));
        let strange = largest.zip(names).enumerate().filter_map(|(i, (largest, name))| {
            let scale = self.scale_of(i);
            let good = largest == 0.0 || USUAL.contains(&(largest / scale));
            (!good).then(|| {
                format!(
                    "the largest {name} of signal is {largest}, and the network is told {}: `parameter_scale` = {scale} is \
                     for other units; something near {largest} suits",
                    largest / scale
                )
            })
        });
        strange.collect()
    }

    /// Checks the settings for events of `features` features and `parameters` parameters.
    ///
    /// # Errors
    /// The first setting outside its limits, by its key, with the limit.
    pub fn check(&self, features: usize, parameters: usize) -> Result<(), ParametricError> {
        let require = |good: bool, key: &'static str, value: String, allowed: &'static str| {
            if good {
                return Ok(());
            }
            Err(ParametricError::Setting { key, value, allowed })
        };
        let hidden = &self.hidden;
        let widths = !hidden.is_empty() && hidden.iter().all(|w| (1..=1 << 14).contains(w));
        require(
            widths,
            "network.hidden",
            format!("{hidden:?}"),
            "at least one width, each from 1 to 16384",
        )?;
        require(features > 0, "features", features.to_string(), "at least one")?;
        require(
            self.method == Method::None || parameters > 0,
            "network.method",
            format!("{:?}", self.method).to_lowercase(),
            "`none` for events without a parameter",
        )?;
        require(
            (0.0..1.0).contains(&self.dropout),
            "network.dropout",
            self.dropout.to_string(),
            "in [0, 1)",
        )?;
        for (key, value) in [
            ("network.l2_kernel", self.l2_kernel),
            ("network.l2_bias", self.l2_bias),
            ("network.parameter_noise", self.parameter_noise),
            ("network.focal_gamma", self.focal_gamma),
        ] {
            let good = value.is_finite() && value >= 0.0;
            require(good, key, value.to_string(), "finite and not below 0")?;
        }
        let scales = &self.parameter_scale;
        let good =
            (scales.len() == 1 || scales.len() == parameters) && scales.iter().all(|s| s.is_finite() && *s > 0.0);
        require(
            good,
            "network.parameter_scale",
            format!("{scales:?}"),
            "one number above 0, or one for each parameter",
        )?;
        require(
            !(self.processes && self.focal_gamma > 0.0),
            "network.focal_gamma",
            self.focal_gamma.to_string(),
            "0 where each process is a class",
        )?;
        let widths = self.generator.iter().all(|w| (1..=1 << 12).contains(w)) && self.generator.len() <= 8;
        require(
            widths,
            "network.generator",
            format!("{:?}", self.generator),
            "at most 8 widths, each from 1 to 4096",
        )?;
        require(
            (1..=256).contains(&self.rank),
            "network.rank",
            self.rank.to_string(),
            "from 1 to 256",
        )?;
        require(
            self.fourier <= 16,
            "network.fourier",
            self.fourier.to_string(),
            "at most 16",
        )?;
        match self.clip {
            Some(clip) => require(
                clip.is_finite() && clip > 0.0,
                "network.clip",
                clip.to_string(),
                "finite and above 0",
            ),
            None => Ok(()),
        }
    }
}
