//! One budget of memory for all jets of a run or a landscape.
//!
//! What a view takes is measured on a few jets of the data set's mean size: an image is twenty times its jet, a vector
//! of high-level observables a tenth. Views that fit are held; what does not is streamed from disk in each epoch. If
//! anything is streamed, two thirds of the budget hold views and the last third holds what is streamed: at most
//! [`MOST_STREAMS`] trainings at once, each within a sixteenth of the budget and a quarter of that again for the views
//! of the chunks it hands out.
//!
//! Events that are arrays are held, or refused: every set of them fits into a machine's memory, or can be cut.
//!
//! How the training jets are read decides their order, so it must not depend on the number of threads, and a training
//! that was begun goes on as it began, whatever stands beside it now.

use crate::data_config::DataConfig;
use crate::error::TaggerError;
use crate::tagger::Tagger;
use std::sync::Arc;
use tagwerk_data::{ArrayDataset, DataError, Dataset, JetDataset, Jets, Part};
use tagwerk_physics::ArrayInput;
use tagwerk_train::{Clock, Examples, InMemory, Reading, Streaming, SystemClock};

/// Trainings that may stream at once.
pub(crate) const MOST_STREAMS: usize = 4;

/// A stream's share of the budget: one part in so many.
const STREAM_SHARE: u64 = 16;

const MIB: u64 = 1 << 20;

/// How each part of each view is read.
#[derive(Debug)]
pub(crate) struct MemoryPlan {
    /// By view, then by part.
    views: Vec<[Reading; 3]>,
}

impl MemoryPlan {
    /// For the views of these taggers; each comes with how the training jets were read by a training that goes on.
    ///
    /// # Errors
    /// A budget too small to stream what does not fit; settings that allow no view.
    pub(crate) fn new(
        data: &DataConfig,
        dataset: &Dataset,
        views: &[(&dyn Tagger, Option<Reading>)],
    ) -> Result<Self, TaggerError> {
        let dataset = match dataset {
            Dataset::Jets(jets) => jets,
            Dataset::Arrays(arrays) => {
                held(data, arrays, &Part::ALL)?;
                let views = vec![[Reading::InMemory; 3]; views.len()];
                return Ok(Self { views });
            }
        };
        let demands = views
            .iter()
            .map(|(tagger, begun)| Demand::new(*tagger, data, dataset, &Part::ALL, *begun))
            .collect::<Result<Vec<_>, _>>()?;
        let jets = largest(&demands);
        let views =
            plan(data.memory_mb.saturating_mul(MIB), jets, &demands).map_err(|needed| too_small(data, needed))?;
        Ok(Self { views })
    }

    /// How a part of the view of this number is read.
    pub(crate) fn reading(&self, view: usize, part: Part) -> Reading {
        self.views[view][part as usize]
    }

    /// Whether anything is streamed, so that at most [`MOST_STREAMS`] trainings may run at once.
    pub(crate) fn streams(&self) -> bool {
        self.views.iter().flatten().any(|reading| *reading != Reading::InMemory)
    }
}

/// How the jets of one part are read for nothing but scoring, where their order decides nothing.
pub(crate) fn reading_to_score(
    data: &DataConfig,
    dataset: &Dataset,
    part: Part,
    tagger: &dyn Tagger,
) -> Result<Reading, TaggerError> {
    let dataset = match dataset {
        Dataset::Jets(jets) => jets,
        Dataset::Arrays(arrays) => return held(data, arrays, &[part]).map(|()| Reading::InMemory),
    };
    let demand = Demand::new(tagger, data, dataset, &[part], None)?;
    let jets = demand.jets;
    let views = plan(data.memory_mb.saturating_mul(MIB), jets, &[demand]).map_err(|needed| too_small(data, needed))?;
    Ok(views[0][part as usize])
}

/// A part of the data as a tagger sees it.
///
/// # Errors
/// Whatever the files or the jets have wrong, with its place.
pub(crate) fn examples(
    data: &DataConfig,
    dataset: &Dataset,
    part: Part,
    tagger: &Arc<dyn Tagger>,
    reading: Reading,
) -> Result<Box<dyn Examples>, TaggerError> {
    let limit = data.limit(part);
    let dataset = match dataset {
        Dataset::Jets(jets) => jets,
        Dataset::Arrays(arrays) => {
            let events = arrays.load(part, limit)?;
            let view = tagger.view_of_arrays(&events)?;
            return Ok(Box::new(InMemory::of_arrays(&events, view, arrays.task())?));
        }
    };
    match reading {
        Reading::InMemory => {
            let jets = with_columns(dataset, tagger.as_ref())?.load(part, limit)?;
            let clock = SystemClock::new();
            let view = tagger.view(&jets)?;
            let seconds = clock.seconds() * rayon::current_num_threads() as f64;
            Ok(Box::new(InMemory::of_jets(&jets, view)?.with_view_seconds(seconds)))
        }
        Reading::Streamed { budget_bytes } => {
            let dataset = with_columns(dataset, tagger.as_ref())?;
            let tagger = Arc::clone(tagger);
            let view = move |jets: &Jets| {
                tagger
                    .view(jets)
                    .map_err(|e| Box::new(e) as Box<dyn std::error::Error + Send + Sync>)
            };
            Ok(Box::new(Streaming::new(&dataset, part, limit, budget_bytes, view)?))
        }
    }
}

/// Jets with what a tagger reads of their constituents beyond momenta.
fn with_columns(dataset: &JetDataset, tagger: &dyn Tagger) -> Result<JetDataset, TaggerError> {
    dataset
        .with_columns(tagger.jet_columns())
        .map_err(|source| match source {
            DataError::MissingColumn { .. } => TaggerError::Columns {
                tagger: tagger.name(),
                source: Box::new(source),
            },
            other => other.into(),
        })
}

/// What events of a data set of arrays look like to a network.
pub(crate) fn array_input(dataset: &ArrayDataset) -> ArrayInput {
    ArrayInput::new(dataset.set(), dataset.arrays())
}

/// Refuses parts whose events do not fit into the budget: one view of all, and the arrays of one part for a moment.
fn held(data: &DataConfig, dataset: &ArrayDataset, parts: &[Part]) -> Result<(), TaggerError> {
    let events = |part: &Part| dataset.rows(*part).min(data.limit(*part).unwrap_or(u64::MAX));
    let views: u64 = parts
        .iter()
        .map(|part| events(part).saturating_mul(array_input(dataset).view_bytes))
        .sum();
    let moment = parts
        .iter()
        .map(|part| events(part).saturating_mul(dataset.event_bytes()))
        .max();
    let needed = views.saturating_add(moment.unwrap_or(0)).div_ceil(MIB);
    if needed <= data.memory_mb {
        return Ok(());
    }
    Err(TaggerError::Data {
        name: data.source.clone(),
        reason: format!(
            "memory_mb = {}; allowed: at least {needed}, because events that are arrays are held in memory; or take fewer with \
             --jets, --validation-jets and --test-jets",
            data.memory_mb
        ),
    })
}

/// Bytes of the jets that are taken of a part.
fn jet_bytes(data: &DataConfig, dataset: &JetDataset, part: Part) -> u64 {
    let rows = dataset.rows(part);
    let share = match data.limit(part) {
        Some(limit) if rows > 0 => (limit as f64 / rows as f64).min(1.0),
        _ => 1.0,
    };
    (dataset.decoded_bytes(part) as f64 * share) as u64
}

fn too_small(data: &DataConfig, needed: u64) -> TaggerError {
    TaggerError::Data {
        name: data.source.clone(),
        reason: format!(
            "memory_mb = {}; allowed: at least {STREAM_SHARE} to read jets from disk in each epoch, about {} to hold \
             them all",
            data.memory_mb,
            needed.div_ceil(MIB)
        ),
    }
}

/// What one view asks for.
#[derive(Debug, Clone, Copy)]
struct Demand {
    /// Bytes of each part's jets, with what the view reads of them.
    jets: [u64; 3],
    /// Bytes of each part's view.
    bytes: [u64; 3],
    /// How the training jets were read by a training that goes on.
    begun: Option<Reading>,
}

impl Demand {
    /// The view of these parts.
    fn new(
        tagger: &dyn Tagger,
        data: &DataConfig,
        dataset: &JetDataset,
        parts: &[Part],
        begun: Option<Reading>,
    ) -> Result<Self, TaggerError> {
        let columns = tagger.jet_columns();
        let dataset = with_columns(dataset, tagger)?;
        let mut jets = [0; 3];
        for &part in parts {
            jets[part as usize] = jet_bytes(data, &dataset, part);
        }
        let rows: u64 = Part::ALL.map(|part| dataset.rows(part)).into_iter().sum();
        let decoded: u64 = Part::ALL.map(|part| dataset.decoded_bytes(part)).into_iter().sum();
        let mut probe = alike(decoded.checked_div(rows).unwrap_or(0), columns.len());
        for column in columns {
            let zeros = vec![0.0; probe.constituents()];
            probe = probe.with_column(column, zeros)?;
        }
        let ratio = tagger.view(&probe)?.byte_size() as f64 / probe.bytes().max(1) as f64;
        // A sixteenth more for jets that are larger than the mean.
        let bytes = jets.map(|jets| (jets as f64 * ratio * 1.0625) as u64);
        Ok(Self { jets, bytes, begun })
    }
}

/// Bytes of each part's jets as the view reads them that reads most.
fn largest(demands: &[Demand]) -> [u64; 3] {
    let part = |part: usize| demands.iter().map(|demand| demand.jets[part]).max();
    [0, 1, 2].map(|at| part(at).unwrap_or(0))
}

/// Some jets of this many bytes each, if they had so many columns beyond momenta, of massless constituents around an
/// axis: as good as any to measure a view on.
fn alike(bytes: u64, columns: usize) -> Jets {
    const JETS: u64 = 4;
    const MOST: u64 = 10_000;
    let constituents = (bytes.saturating_sub(17) / (16 + 4 * columns as u64)).clamp(1, MOST);
    let mut jets = Jets::default();
    for b in 0..JETS {
        let constituent = |i: u64| {
            // A golden-angle spiral: no two constituents in one place.
            let (radius, angle) = (
                0.8 * ((i + 1) as f64 / constituents as f64).sqrt(),
                (i + b) as f64 * 2.399_963,
            );
            let (pt, eta, phi) = (600.0 / (i + 2) as f64, radius * angle.cos(), radius * angle.sin());
            [pt * eta.cosh(), pt * phi.cos(), pt * phi.sin(), pt * eta.sinh()].map(|x| x as f32)
        };
        let constituents: Vec<[f32; 4]> = (0..constituents).map(constituent).collect();
        jets.push(&constituents, (b % 2) as u8, b);
    }
    jets
}

/// The plan for parts of so many bytes of jets; the error is the bytes needed to hold everything.
///
/// Training jets that a begun training holds are held, and may exceed the budget together with what is new.
fn plan(budget: u64, jets: [u64; 3], demands: &[Demand]) -> Result<Vec<[Reading; 3]>, u64> {
    // Views are computed one after the other: the jets of one part are there beside its view for a moment.
    let for_a_moment = jets.into_iter().max().unwrap_or(0);
    let all = demands
        .iter()
        .flat_map(|demand| demand.bytes)
        .fold(for_a_moment, u64::saturating_add);
    let held = |demand: &Demand| demand.begun.is_none_or(|r| r == Reading::InMemory);
    if all <= budget && demands.iter().all(held) {
        return Ok(vec![[Reading::InMemory; 3]; demands.len()]);
    }
    let streamed = Reading::Streamed {
        budget_bytes: budget / STREAM_SHARE,
    };
    if budget / STREAM_SHARE < MIB {
        return Err(all);
    }
    let mut room = budget / 3 * 2;
    for demand in demands {
        if demand.begun == Some(Reading::InMemory) {
            room = room.saturating_sub(demand.bytes[Part::Train as usize]);
        }
    }
    // The jets of the largest part that is held are there for a moment too.
    let mut moment = 0;
    let mut hold = |view: u64, jets: u64| {
        let fits = view.saturating_add(jets.max(moment)) <= room;
        if fits {
            room -= view;
            moment = jets.max(moment);
        }
        if fits { Reading::InMemory } else { streamed }
    };
    // The training jets first: they are the most, and read the most.
    let of_view = |demand: &Demand| {
        let mut readings = [streamed; 3];
        for part in Part::ALL {
            readings[part as usize] = match demand.begun {
                Some(begun) if part == Part::Train => begun,
                _ => hold(demand.bytes[part as usize], jets[part as usize]),
            };
        }
        readings
    };
    Ok(demands.iter().map(of_view).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A view of twice the bytes of its jets.
    fn twice(jets: [u64; 3], begun: Option<Reading>) -> Demand {
        Demand {
            jets,
            bytes: jets.map(|bytes| 2 * bytes),
            begun,
        }
    }

    /// Bytes that a plan may take at its worst moment.
    fn peak(budget: u64, jets: [u64; 3], demands: &[Demand], plan: &[[Reading; 3]]) -> u64 {
        let readings = || {
            plan.iter()
                .zip(demands)
                .flat_map(|(view, demand)| view.iter().zip(demand.bytes.into_iter().zip(jets)))
        };
        let held = readings().filter(|(reading, _)| **reading == Reading::InMemory);
        let views: u64 = held.clone().map(|(_, (view, _))| view).sum();
        let moment = held.map(|(_, (_, jets))| jets).max().unwrap_or(0);
        let streams = if readings().any(|(reading, _)| *reading != Reading::InMemory) {
            let one = budget / STREAM_SHARE;
            MOST_STREAMS as u64 * (one + one / 4)
        } else {
            0
        };
        // The streams begin when all views are there.
        (views + moment).max(views + streams)
    }

    proptest! {
        #[test]
        fn no_plan_takes_more_than_the_budget(
            budget in (16 * MIB)..(1 << 40),
            shares in proptest::array::uniform3(0.0f64..1.0),
            ratios in proptest::collection::vec(0.01f64..30.0, 1..8),
        ) {
            let jets = shares.map(|share| (budget as f64 * share * share) as u64);
            let demand = |ratio: &f64| Demand { jets, bytes: jets.map(|bytes| (bytes as f64 * ratio) as u64), begun: None };
            let demands: Vec<Demand> = ratios.iter().map(demand).collect();
            let plan = plan(budget, jets, &demands).unwrap();
            prop_assert!(peak(budget, jets, &demands, &plan) <= budget, "{plan:?}");
        }
    }

    #[test]
    fn what_fits_is_held_and_the_rest_is_streamed() {
        let mib = |n: u64| n * MIB;
        // 2 * (10 + 5 + 5) for the view, 10 for the jets of the largest part.
        let jets = [mib(10), mib(5), mib(5)];
        assert_eq!(
            plan(mib(50), jets, &[twice(jets, None)]).unwrap(),
            [[Reading::InMemory; 3]]
        );
        let two = plan(mib(50), jets, &[twice(jets, None); 2]).unwrap();
        let streamed = Reading::Streamed {
            budget_bytes: mib(50) / 16,
        };
        // Two thirds of 50: the training jets (20 and 10 for a moment), then a smaller part (10 and 5 for a moment does
        // not fit).
        assert_eq!(
            two,
            [[Reading::InMemory, streamed, streamed], [streamed, streamed, streamed]]
        );
        // Another view beside it is no reason to read a begun training's jets otherwise.
        let begun = [twice(jets, None), twice(jets, Some(Reading::InMemory))];
        let other = plan(mib(50), jets, &begun).unwrap();
        assert_eq!((other[0][0], other[1][0]), (streamed, Reading::InMemory));
        let begun = Reading::Streamed { budget_bytes: mib(7) };
        assert_eq!(plan(mib(500), jets, &[twice(jets, Some(begun))]).unwrap()[0][0], begun);
    }

    #[test]
    fn a_budget_too_small_to_stream_says_what_is_needed() {
        let jets = [10 * MIB, 0, 0];
        assert_eq!(plan(15 * MIB, jets, &[twice(jets, None)]).unwrap_err(), 30 * MIB);
        let data = DataConfig {
            memory_mb: 15,
            ..DataConfig::default()
        };
        let error = too_small(&data, 30 * MIB).to_string();
        assert!(
            error.contains("memory_mb = 15; allowed: at least 16") && error.contains("about 30"),
            "{error}"
        );
    }

    #[test]
    fn a_view_is_measured_not_guessed() {
        let dataset = JetDataset::sample().unwrap();
        for name in crate::registry::names() {
            let tagger = crate::registry::tagger(name, &toml::Table::new()).unwrap();
            if tagger.reads_scores().is_some() {
                continue;
            }
            let demand = Demand::new(tagger.as_ref(), &DataConfig::default(), &dataset, &Part::ALL, None).unwrap();
            let found = tagger
                .view(&dataset.load(Part::Test, None).unwrap())
                .unwrap()
                .byte_size() as f64;
            let ratio = demand.bytes[Part::Test as usize] as f64 / found;
            // Trees and words grow otherwise than their jets: the mean jet says less of them.
            assert!((0.6..4.0).contains(&ratio), "{name}: {ratio}");
        }
    }
}
