//! ParticleNet-Lite: the same network with two blocks of fewer channels and neighbors.

use super::{BlockConfig, ParticleNetConfig};
use serde::{Deserialize, Serialize};

/// What makes a ParticleNet-Lite: the same network, smaller (26,416 parameters).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ParticleNetLiteConfig {
    /// EdgeConv blocks. Default: k = 7 with 32 and 64 channels in three layers each.
    pub blocks: Vec<BlockConfig>,
    /// Width of the dense layer after pooling. Default: 128.
    pub hidden: usize,
    /// Dropout after it. Default: 0.1.
    pub dropout: f64,
    /// Leading constituents kept. Default: 100.
    pub max_constituents: usize,
}

impl Default for ParticleNetLiteConfig {
    fn default() -> Self {
        let blocks = [32, 64]
            .map(|c| BlockConfig {
                k: 7,
                widths: vec![c; 3],
            })
            .to_vec();
        Self {
            blocks,
            hidden: 128,
            dropout: 0.1,
            max_constituents: 100,
        }
    }
}

impl From<ParticleNetLiteConfig> for ParticleNetConfig {
    fn from(lite: ParticleNetLiteConfig) -> Self {
        let ParticleNetLiteConfig {
            blocks,
            hidden,
            dropout,
            max_constituents,
        } = lite;
        Self {
            blocks,
            hidden,
            dropout,
            max_constituents,
            lite: true,
            ..Self::default()
        }
    }
}
