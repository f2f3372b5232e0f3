//! Jet images: transverse momentum on a grid in (pseudorapidity, azimuth).
//!
//! Two kinds. In the [`ImageFrame::PrincipalAxes`] (Macaluso, Shih, "Pulling Out All the Tops with Computer Vision and
//! Deep Learning", arXiv:1803.00107) the jet is centered, turned upright and mirrored before it meets the grid. In the
//! [`ImageFrame::JetAxis`] (the ResNeXt of arXiv:1902.08570) it is centered on the jet axis and left as it is.
//! Images are dense: 4 kB x (side / 32)^2 a jet. Larger sets are better turned into images a batch at a time.

use crate::fill::fill_dense;
use crate::plane::{PlanePoint, center, reflect_up_right, rotate_upright};
use crate::{DenseView, PhysicsError, constituents, jet_axis, wrap_phi};
use serde::{Deserialize, Serialize};
use tagwerk_data::Jets;

/// Where the grid lies on the jet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFrame {
    /// Origin at the pT-weighted mean of (eta, phi), principal axis vertical, heavier halves up and right.
    PrincipalAxes,
    /// Origin at the jet axis (sum of the constituents), eta mirrored where the jet's is negative; no rotation.
    JetAxis,
}

/// The unit of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageIntensity {
    /// Summed transverse momentum, GeV.
    Pt,
    /// Summed transverse momentum divided by that of the jet four-vector.
    PtFraction,
    /// The image sums to 1; an image without entries is all zeros.
    UnitSum,
}

/// What makes a jet image. Presets: [`ImageConfig::cnn`], [`ImageConfig::resnext`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageConfig {
    /// Pixels a side, 1 to 1024.
    pub pixels: usize,
    /// The grid covers (-half_width, half_width) in both directions; constituents outside are dropped.
    pub half_width: f64,
    /// Where the grid lies on the jet.
    pub frame: ImageFrame,
    /// The unit of a pixel.
    pub intensity: ImageIntensity,
}

/// A larger side would be a typing error: 4 MB a jet.
const MAX_PIXELS: usize = 1024;

impl ImageConfig {
    /// The CNN's image: 40 x 40, principal axes, sum 1.
    ///
    /// The published range for jets of radius 0.8 is not known. The preset covers +-0.8 in pixels of 0.04, which on
    /// generated jets of that radius leaves out 5e-5 of the transverse momentum; a wider grid would be coarser.
    pub fn cnn() -> Self {
        Self {
            pixels: 40,
            half_width: 0.8,
            frame: ImageFrame::PrincipalAxes,
            intensity: ImageIntensity::UnitSum,
        }
    }

    /// The ResNeXt-50's image: 64 x 64 over +-0.8 about the jet axis, pixels of 0.025, pT / pT_jet.
    pub fn resnext() -> Self {
        Self {
            pixels: 64,
            half_width: 0.8,
            frame: ImageFrame::JetAxis,
            intensity: ImageIntensity::PtFraction,
        }
    }

    pub(crate) fn check(&self) -> Result<(), PhysicsError> {
        if self.pixels == 0 || self.pixels > MAX_PIXELS {
            return Err(PhysicsError::Setting {
                name: "pixels",
                value: self.pixels as f64,
                limit: "between 1 and 1024",
            });
        }
        if !(self.half_width > 0.0 && self.half_width.is_finite()) {
            return Err(PhysicsError::Setting {
                name: "half_width",
                value: self.half_width,
                limit: "finite and above 0",
            });
        }
        Ok(())
    }

    /// The pixel column or row of a coordinate, if it lies on the grid.
    fn bin(&self, coordinate: f64) -> Option<usize> {
        // This form is exact at the center, where a lone constituent lies.
        let position = (coordinate / self.half_width + 1.0) * 0.5 * self.pixels as f64;
        (position >= 0.0 && position < self.pixels as f64).then_some(position as usize)
    }
}

/// One image a jet, from all its constituents.
///
/// # Shapes
/// - returns: `[B, 1, H, W]`; row index along phi from -half_width up, column index along eta likewise, so "up"
///   is a larger row index
///
/// # Errors
/// [`PhysicsError::Setting`] for a grid without extent; whatever [`crate::check_jets`] finds.
pub fn image_view(jets: &Jets, config: &ImageConfig) -> Result<DenseView, PhysicsError> {
    config.check()?;
    let shape = vec![1, config.pixels, config.pixels];
    fill_dense(jets, shape, |b, image, points: &mut Vec<PlanePoint>| {
        points.clear();
        points.extend(constituents(jets, b).map(|particle| PlanePoint {
            weight: particle.pt(),
            x: particle.eta(),
            phi: particle.phi(),
        }));
        let jet = jet_axis(jets, b);
        match config.frame {
            ImageFrame::PrincipalAxes => {
                center(points);
                rotate_upright(points);
                reflect_up_right(points);
            }
            ImageFrame::JetAxis => {
                let (eta, phi) = (jet.eta(), jet.phi());
                let sign = if eta < 0.0 { -1.0 } else { 1.0 };
                for point in points.iter_mut() {
                    point.x = (point.x - eta) * sign;
                    point.phi = wrap_phi(point.phi - phi);
                }
            }
        }
        let inside = points.iter().filter_map(|point| {
            let (column, row) = (config.bin(point.x)?, config.bin(point.phi)?);
            Some((row * config.pixels + column, point.weight))
        });
        let unit = match config.intensity {
            ImageIntensity::Pt => 1.0,
            ImageIntensity::PtFraction => jet.pt(),
            ImageIntensity::UnitSum => inside.clone().map(|(_, weight)| weight).sum(),
        };
        if unit > 0.0 {
            for (pixel, weight) in inside {
                image[pixel] += (weight / unit) as f32;
            }
        }
    })
}
