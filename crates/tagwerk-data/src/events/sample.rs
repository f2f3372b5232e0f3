//! The events inside the program.

use crate::error::DataError;
use crate::readers::ParquetFile;
use bytes::Bytes;

const TRAIN: &[u8] = include_bytes!("../../../../samples/hepmass_train.parquet");
const TEST: &[u8] = include_bytes!("../../../../samples/hepmass_test.parquet");

/// 10,000 events to train on and 4,000 to test on in the layout of HEPMASS, inside the program.
///
/// Half are X -> ttbar with masses of 500, 750, 1000, 1250 and 1500 GeV, half Standard Model ttbar, generated; features
/// in GeV and radians. They are not the published events, and numbers made from them are not the published numbers.
///
/// # Errors
/// None, unless the program itself is damaged.
pub fn hepmass_sample() -> Result<[ParquetFile; 2], DataError> {
    Ok([
        ParquetFile::from_bytes("hepmass-sample (train)", Bytes::from_static(TRAIN))?,
        ParquetFile::from_bytes("hepmass-sample (test)", Bytes::from_static(TEST))?,
    ])
}
