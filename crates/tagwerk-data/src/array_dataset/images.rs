//! Jet images in HDF5: a data set of images a class.

use super::{ArrayInfo, Reader};
use crate::error::DataError;
use crate::readers::DenseHdf5;
use crate::split::RowSet;
use std::path::Path;

/// Data set of each class, signal first.
const CLASSES: [(&str, f32); 2] = [("TT", 1.0), ("QCD", 0.0)];

/// Bytes of values that are decoded at once.
const BLOCK: u64 = 8 << 20;

/// An opened file.
#[derive(Debug)]
pub(super) struct Images {
    classes: Vec<DenseHdf5>,
    /// Shape of one image, without axes of one channel.
    shape: Vec<usize>,
}

impl Images {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let classes = CLASSES
            .iter()
            .map(|(name, _)| DenseHdf5::open(path, name))
            .collect::<Result<Vec<_>, _>>()?;
        let [signal, background] = &classes[..] else {
            return Err(fault(path, "two classes are needed".into()));
        };
        if signal.shape != background.shape {
            let (a, b) = (&signal.shape, &background.shape);
            return Err(fault(
                path,
                format!("images of shape {a:?} and {b:?}; both classes must have one shape"),
            ));
        }
        let mut shape = signal.shape.clone();
        if shape.len() == 3 && shape[2] == 1 {
            shape.pop();
        }
        Ok(Self { classes, shape })
    }
}

fn fault(path: &Path, reason: String) -> DataError {
    DataError::Arrays {
        name: path.display().to_string(),
        reason,
    }
}

impl Reader for Images {
    fn format(&self) -> String {
        "HDF5, an image data set a class".into()
    }

    fn arrays(&self) -> Vec<ArrayInfo> {
        vec![ArrayInfo {
            name: "image".into(),
            shape: self.shape.clone(),
        }]
    }

    fn segments(&self) -> Vec<u64> {
        self.classes.iter().map(|class| class.rows).collect()
    }

    fn read(
        &self,
        segment: usize,
        rows: &RowSet,
        values: &mut [Vec<f32>],
        targets: &mut Vec<f32>,
    ) -> Result<(), DataError> {
        let class = &self.classes[segment];
        let label = CLASSES[segment].1;
        targets.extend((0..rows.len()).map(|_| label));
        let Some(out) = values.first_mut() else { return Ok(()) };
        let size = self.shape.iter().product::<usize>();
        let block = (BLOCK / (8 * size as u64).max(1)).max(1);
        for start in (0..class.rows).step_by(block as usize) {
            let end = (start + block).min(class.rows);
            let ranges = rows.ranges_within(&(start..end));
            if ranges.is_empty() {
                continue;
            }
            let images = class.read(start..end)?;
            for range in ranges {
                let own = (range.start - start) as usize * size..(range.end - start) as usize * size;
                out.extend(images[own].iter().map(|&v| v as f32));
            }
        }
        Ok(())
    }
}
