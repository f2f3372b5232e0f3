//! One rejection column of the landscape table: single training, mean ensemble or median ensemble.

use serde::{Deserialize, Serialize};

/// A rejection with both its errors.
///
/// `spread` is the population standard deviation over trainings (single) or over ensembles (mean, median): what another
/// training would give. `test_error` comes from the number of background jets in the test sample: what other jets would
/// give. They are independent, and neither contains the other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RejectionColumn {
    /// Rejection 1/eps_B.
    pub value: Option<f64>,
    /// Population standard deviation over trainings or ensembles.
    pub spread: Option<f64>,
    /// Error from the finite test sample.
    pub test_error: Option<f64>,
    /// 95 % lower limit, where the sample does not determine the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_limit: Option<f64>,
    /// Why the value or its spread is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Indices of the trainings behind the number: those kept by the outlier rule, or the members of the reported
    /// ensemble.
    #[serde(default)]
    pub trainings: Vec<usize>,
    /// AUC of the reported ensemble (ensembles only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// DeLong error of that AUC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc_error: Option<f64>,
    /// Accuracy of the reported ensemble (ensembles only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Rejection of the reported ensemble at signal efficiency 0.5 (ensembles only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection_50: Option<f64>,
}

impl RejectionColumn {
    /// A column without a number, and why.
    pub fn absent(reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..Self::default()
        }
    }
}
