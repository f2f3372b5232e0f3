//! Jets built in a test, as a table.

use tagwerk_data::Jets;
use tagwerk_physics::FourVector;

/// One jet a list, by the order given.
pub fn table(list: &[Vec<FourVector>]) -> Jets {
    let mut jets = Jets {
        offsets: vec![0],
        ..Jets::default()
    };
    for (b, particles) in list.iter().enumerate() {
        for v in particles {
            jets.e.push(v.e as f32);
            jets.px.push(v.px as f32);
            jets.py.push(v.py as f32);
            jets.pz.push(v.pz as f32);
        }
        jets.offsets.push(jets.e.len());
        jets.labels.push(0);
        jets.rows.push(b as u64);
    }
    jets
}
