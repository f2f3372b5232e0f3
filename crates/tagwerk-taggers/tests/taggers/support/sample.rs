//! Real jets: the sample that is built in.

use tagwerk_data::{JetDataset, Jets, Part};
use tagwerk_taggers::Tagger;
use tagwerk_train::Batch;

/// The first `count` jets of a part of the sample.
pub fn jets(part: Part, count: usize) -> Jets {
    JetDataset::sample().unwrap().load(part, None).unwrap().slice(0..count)
}

/// The leading `count` constituents of jet `b`, as a table of one jet.
pub fn cut(jets: &Jets, b: usize, count: usize) -> Jets {
    let range = jets.range(b);
    let kept: Vec<[f32; 4]> = range
        .take(count)
        .map(|i| [jets.e[i], jets.px[i], jets.py[i], jets.pz[i]])
        .collect();
    let mut one = Jets::default();
    one.push(&kept, jets.labels[b], jets.rows[b]);
    one
}

/// All jets as one batch, in the view that the tagger reads.
pub fn batch(tagger: &dyn Tagger, jets: &Jets) -> Batch {
    Batch {
        view: tagger.view(jets).unwrap(),
        labels: jets.labels.iter().map(|&label| f32::from(label)).collect(),
        weights: None,
        parameters: None,
        rows: jets.rows.clone(),
    }
}
