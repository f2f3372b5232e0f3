use super::*;
use crate::JaggedView;

fn array(name: &str, shape: &[usize], values: Vec<f32>) -> NamedArray {
    NamedArray {
        name: name.into(),
        shape: shape.to_vec(),
        values,
    }
}

fn events(set: ArraySet, arrays: Vec<NamedArray>) -> Arrays {
    let count = arrays[0].values.len() / arrays[0].event_size();
    Arrays::new(set, arrays, vec![], vec![0.0; count], (0..count as u64).collect()).unwrap()
}

fn input(events: &Arrays) -> ArrayInput {
    let infos: Vec<ArrayInfo> = events
        .arrays()
        .iter()
        .map(|a| ArrayInfo {
            name: a.name.clone(),
            shape: a.shape.clone(),
        })
        .collect();
    ArrayInput::new(events.set(), &infos)
}

fn dense(events: &Arrays) -> DenseView {
    match arrays_view(events).unwrap() {
        View::Dense(view) => view,
        other => panic!("{other:?}"),
    }
}

fn jagged(events: &Arrays) -> JaggedView {
    match arrays_view(events).unwrap() {
        View::Jagged(view) => view,
        other => panic!("{other:?}"),
    }
}

/// The numbers of tests/reference/physics_arrays.py: no generator is needed in two languages.
fn number(i: usize, period: usize) -> f64 {
    ((i * 7919 + 13) % period) as f64
}

#[test]
fn inputs_have_the_published_numbers_of_a_dense_network() {
    // 400, 576, 6,561 and 19,100 inputs of pd4ml's FCN.
    for (set, expected, grid) in [
        (ArraySet::Spinodal, 400, Some((20, 20))),
        (ArraySet::Eos, 576, Some((24, 24))),
        (ArraySet::Airshower, 6_561, Some((9, 9))),
        (ArraySet::Belle, 19_100, None),
        (ArraySet::JetImages, 900, Some((30, 30))),
        (ArraySet::Magic, 10, None),
        (ArraySet::Higgs, 28, None),
    ] {
        let entry = set.arrays().unwrap();
        let arrays: Vec<ArrayInfo> = entry
            .arrays
            .iter()
            .filter(|a| a.per_event)
            .map(|a| ArrayInfo {
                name: a.name.into(),
                shape: a.shape.to_vec(),
            })
            .collect();
        let input = ArrayInput::new(set, &arrays);
        assert_eq!(input.numbers(), expected, "{}", set.name());
        let raw = input.clone().with_identities();
        assert_eq!(raw == input, set != ArraySet::Belle);
        if set == ArraySet::Belle {
            assert_eq!((&raw.shape[..], raw.encoding), ([100, 10].as_slice(), Encoding::None));
        }
        match (input.connection, grid) {
            (Some(Connection::Grid { height, width }), Some(sides)) => assert_eq!((height, width), sides),
            (Some(Connection::Mothers), None) => assert_eq!(set, ArraySet::Belle),
            (None, None) => assert_eq!(input.shape.len(), 1),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn showers_are_prepared_as_numpy_does() {
    // Three events; a third of the stations see nothing, the second event has one station, the last none.
    let seen = |b: usize, s: usize| match b {
        0 => !s.is_multiple_of(3),
        1 => s == 40,
        _ => false,
    };
    let (mut traces, mut times) = (Vec::new(), Vec::new());
    for b in 0..3 {
        for s in 0..81 {
            for t in 0..80 {
                let value = number((b * 81 + s) * 80 + t, 1009) / 8.0 - 2.0;
                traces.push(if seen(b, s) && t % 5 != 4 { value as f32 } else { -1.0 });
            }
            times.push(if seen(b, s) {
                (number(b * 81 + s, 211) / 16.0) as f32
            } else {
                -1.0
            });
        }
    }
    let events = events(
        ArraySet::Airshower,
        vec![array("X_0", &[9, 9, 80], traces), array("X_1", &[9, 9, 1], times)],
    );
    let view = dense(&events);
    assert_eq!(view.shape, [81, 9, 9]);
    // Sum and sum weighted by place of each event in the layout [station, channel], and entries of station 4.
    for (b, (sum, weighted)) in AIRSHOWER_SUMS.into_iter().enumerate() {
        let event = view.jet(b);
        let by_station = (0..81).flat_map(|s| (0..81).map(move |c| f64::from(event[c * 81 + s])));
        let found = by_station
            .enumerate()
            .fold((0.0, 0.0), |(a, b), (i, v)| (a + v, b + v * (i % 101) as f64));
        assert!(
            (found.0 - sum).abs() < 1e-3 && (found.1 - weighted).abs() < 5e-2,
            "{b}: {found:?} {sum} {weighted}"
        );
    }
    for (channel, expected) in AIRSHOWER_STATION_4 {
        assert!(
            (f64::from(view.jet(0)[channel * 81 + 4]) - expected).abs() < 1e-6,
            "{channel}"
        );
    }
    assert!(view.jet(2).iter().all(|&v| v == 0.0), "an event that nothing saw");
    assert_eq!(
        input(&events).encoding,
        Encoding::Scale {
            start: 6480,
            count: 81,
            values: 6561
        }
    );
}

/// tests/reference/physics_arrays.py printed these.
const AIRSHOWER_SUMS: [(f64, f64); 3] = [
    (5717.023331931212, 287602.91959743784),
    (107.19501848592782, 5027.238855374531),
    (0.0, 0.0),
];
const AIRSHOWER_STATION_4: [(usize, f64); 4] = [
    (0, 1.7835462822703498),
    (7, 1.724275869600789),
    (79, 0.0),
    (80, -4.204861111111111),
];

#[test]
fn particles_keep_their_order_and_padding_is_dropped() {
    let (mut rows, mut mothers) = (vec![0.0f32; 2 * 900], vec![-1.0f32; 200]);
    for i in 0..3 {
        for c in 0..8 {
            rows[9 * i + c] = (10 * i + c) as f32;
        }
        rows[9 * i + 8] = (100 + i) as f32;
    }
    (mothers[1], mothers[2]) = (0.0, 1.0);
    let belle = |rows: Vec<f32>, mothers: Vec<f32>| {
        events(
            ArraySet::Belle,
            vec![array("X_0", &[100, 9], rows), array("X_1", &[100], mothers)],
        )
    };
    let view = jagged(&belle(rows.clone(), mothers.clone()));
    assert_eq!(
        (view.width, &view.offsets[..]),
        (10, [0, 3, 3].as_slice()),
        "the second event is empty"
    );
    assert_eq!(
        view.rows[10..20],
        [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 101.0, 0.0]
    );
    assert_eq!((view.rows[9], view.rows[29]), (-1.0, 1.0));
    // What cannot be is told with its event.
    let message = |change: &dyn Fn(&mut Vec<f32>, &mut Vec<f32>)| {
        let (mut rows, mut mothers) = (rows.clone(), mothers.clone());
        change(&mut rows, &mut mothers);
        arrays_view(&belle(rows, mothers)).unwrap_err().to_string()
    };
    assert!(message(&|r, _| r[8] = 1.5).contains("event 0: a particle's identity is 1.5"));
    assert!(message(&|r, _| r[8] = -4.0).contains("identity is -4"));
    assert!(message(&|_, m| m[1] = 3.0).contains("mother is 3; allowed: -1, or the row of a particle"));
    assert!(message(&|_, m| m[1] = -2.0).contains("mother is -2"));
}

#[test]
fn images_sum_to_one_and_channels_come_first() {
    let mut images = vec![0.0; 1800];
    (images[3], images[7]) = (30.0, 10.0);
    let view = dense(&events(ArraySet::JetImages, vec![array("image", &[30, 30], images)]));
    assert_eq!((view.jet(0)[3], view.jet(0)[7]), (0.75, 0.25));
    assert!(view.jet(1).iter().all(|&v| v == 0.0), "an empty image");
    let colors = events(
        ArraySet::Other,
        vec![array("X_0", &[1, 2, 3], vec![1., 2., 3., 4., 5., 6.])],
    );
    let view = dense(&colors);
    assert_eq!(
        (&view.shape[..], &view.values[..]),
        ([3, 1, 2].as_slice(), [1., 4., 2., 5., 3., 6.].as_slice())
    );
    let two = events(
        ArraySet::Other,
        vec![
            array("X_0", &[2], vec![1., 2., 3., 4.]),
            array("X_1", &[1], vec![8., 9.]),
        ],
    );
    assert_eq!(dense(&two).values, [1., 2., 8., 3., 4., 9.]);
    assert_eq!(
        (&input(&two).shape[..], input(&two).encoding),
        ([3].as_slice(), Encoding::Standardize { values: 3 })
    );
}

#[test]
fn pixels_of_histograms_are_left_as_they_are() {
    let values: Vec<f32> = (0..800).map(|i| number(i, 17) as f32).collect();
    let raw = events(ArraySet::Spinodal, vec![array("X_0", &[20, 20], values.clone())]);
    assert_eq!((dense(&raw).values, input(&raw).encoding), (values, Encoding::None));
}
