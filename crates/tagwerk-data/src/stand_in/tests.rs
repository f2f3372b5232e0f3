use super::*;
use crate::{ArrayDataset, JetOptions, Part};

fn write(set: ArraySet, name: &str, events: u64, seed: u64) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    stand_in(set, &path, StandInOptions { events, seed }, &mut |_, _| true).unwrap();
    (dir, path)
}

const SETS: [ArraySet; 4] = [ArraySet::Spinodal, ArraySet::Eos, ArraySet::Airshower, ArraySet::Belle];

#[test]
fn a_stand_in_has_the_published_layout_and_says_what_it_is() {
    for set in SETS {
        let (_dir, path) = write(set, "toy.npz", 200, 1);
        assert_eq!(ArrayDataset::recognize(&path).unwrap(), Some(set));
        let data = ArrayDataset::open(set, &path, &JetOptions::default()).unwrap();
        assert_eq!(Part::ALL.map(|part| data.rows(part)), [112, 28, 60], "{}", set.name());
        assert_eq!(data.name(), format!("{} (stand-in)", set.name()));
        let note = data.stand_in().unwrap();
        assert_eq!((note.events, note.seed), (200, 1));
        assert!(
            data.describe().contains("not the published data"),
            "{}",
            data.describe()
        );
        let events = data.load(Part::Test, None).unwrap();
        assert_eq!(events.rows(), (140..200).collect::<Vec<u64>>());
        for (array, entry) in events.arrays().iter().zip(set.arrays().unwrap().arrays) {
            assert_eq!((array.name.as_str(), &array.shape[..]), (entry.name, entry.shape));
        }
        // Another set's reader refuses it by name.
        let other = if set == ArraySet::Eos {
            ArraySet::Spinodal
        } else {
            ArraySet::Eos
        };
        let error = ArrayDataset::open(other, &path, &JetOptions::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("a stand-in of {}, not of", set.name())),
            "{error}"
        );
    }
}

#[test]
fn equal_seeds_give_equal_files_and_events_do_not_depend_on_their_number() {
    let (_a, a) = write(ArraySet::Spinodal, "a.npz", 40, 5);
    let (_b, b) = write(ArraySet::Spinodal, "b.npz", 40, 5);
    let (_c, c) = write(ArraySet::Spinodal, "c.npz", 40, 6);
    let bytes = |path: &Path| std::fs::read(path).unwrap();
    assert_eq!(bytes(&a), bytes(&b));
    assert_ne!(bytes(&a), bytes(&c));
    let (_d, d) = write(ArraySet::Spinodal, "d.npz", 80, 5);
    let load = |path: &Path| {
        let data = ArrayDataset::open(ArraySet::Spinodal, path, &JetOptions::default()).unwrap();
        data.load(Part::Train, None).unwrap()
    };
    let (few, many) = (load(&a), load(&d));
    assert_eq!(few.arrays()[0].event(20), many.arrays()[0].event(20));
}

#[test]
fn classes_are_balanced_and_shapes_of_the_toys_are_right() {
    let events = |set: ArraySet, count: u64| -> Vec<Event> {
        let model = model(set).unwrap();
        (0..count).map(|i| (model.event)(3, i)).collect()
    };
    for set in [ArraySet::Spinodal, ArraySet::Eos, ArraySet::Belle] {
        let ones: f32 = events(set, 400).iter().map(|event| event.target).sum();
        // Six standard deviations of a binomial number.
        assert!((ones - 200.0).abs() < 60.0, "{}: {ones}", set.name());
    }
    for event in events(ArraySet::Airshower, 100) {
        let (traces, times) = (&event.arrays[0], &event.arrays[1]);
        assert!((300.0..1600.0).contains(&event.target), "{}", event.target);
        let triggered = times.iter().filter(|&&t| t != -1.0).count();
        assert!(triggered >= 1, "the core lies within half a spacing of a station");
        for (trace, &time) in traces.chunks_exact(80).zip(times) {
            let silent = trace.iter().all(|&v| v == -1.0);
            assert_eq!(silent, time == -1.0, "a station has a time if it has a signal");
            assert!(trace.iter().all(|&v| v == -1.0 || v > 0.0) && (silent || time >= 0.0));
        }
    }
    for event in events(ArraySet::Belle, 100) {
        let (rows, mothers) = (&event.arrays[0], &event.arrays[1]);
        let real = rows
            .chunks_exact(9)
            .rposition(|row| row.iter().any(|&v| v != 0.0))
            .unwrap()
            + 1;
        assert!((3..=100).contains(&real));
        assert_eq!(mothers[0], -1.0, "the first particle has no mother");
        for (i, (row, &mother)) in rows.chunks_exact(9).zip(mothers).enumerate() {
            let padded = i >= real;
            assert_eq!(padded, row[8] == 0.0, "identity 0 is padding");
            assert!(row[8].fract() == 0.0 && (0.0..=540.0).contains(&row[8]));
            assert_eq!(mother == -1.0, padded || i == 0);
            assert!(mother < i as f32, "mothers come before daughters");
        }
        // A decay keeps its mother's energy.
        let energy = |i: usize| rows[9 * i + 1];
        for mother in 0..real {
            let daughters: f32 = (0..real).filter(|&i| mothers[i] == mother as f32).map(energy).sum();
            assert!(daughters == 0.0 || (daughters - energy(mother)).abs() < 1e-3 * energy(mother));
        }
    }
}

#[test]
fn what_has_no_toy_or_too_few_events_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.npz");
    let run = |set, events| stand_in(set, &path, StandInOptions { events, seed: 0 }, &mut |_, _| true);
    assert!(
        run(ArraySet::Higgs, 100)
            .unwrap_err()
            .to_string()
            .contains("spinodal, eos, airshower, belle")
    );
    assert!(run(ArraySet::Eos, 19).unwrap_err().to_string().contains("at least 20"));
    let stopped = stand_in(
        ArraySet::Eos,
        &path,
        StandInOptions { events: 100, seed: 0 },
        &mut |_, _| false,
    );
    assert!(matches!(stopped, Err(DataError::Cancelled)));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
