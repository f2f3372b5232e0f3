//! Where labels go: beside their points, clear of each other and of what is drawn.

/// Left, top, right, bottom in page pixels.
pub(crate) type Rectangle = (f64, f64, f64, f64);

/// Directions from a point to the middle of its label, best first; straight up and down are where error bars run.
const DIRECTIONS: [(f64, f64); 8] = [
    (1.0, -1.0),
    (-1.0, -1.0),
    (1.0, 1.0),
    (-1.0, 1.0),
    (1.3, 0.0),
    (-1.3, 0.0),
    (0.0, -1.3),
    (0.0, 1.3),
];

/// How far out a label may go, in units of the least distance.
const RINGS: [f64; 4] = [1.0, 1.5, 2.1, 2.8];

/// The middle of each label, in the order of `anchors`: for each in turn the place that covers least of `drawn` and of
/// the labels before it, near before far. Labels stay inside `frame` where it is large enough.
///
/// `anchors` are points with the width of their label; `height` is that of all labels; `distance` is how far from its
/// point a label must be at least, in both directions.
pub(crate) fn places(
    anchors: &[((f64, f64), f64)],
    height: f64,
    distance: f64,
    drawn: &[Rectangle],
    frame: Rectangle,
) -> Vec<(f64, f64)> {
    let mut taken = drawn.to_vec();
    let mut found = Vec::with_capacity(anchors.len());
    for &((x, y), width) in anchors {
        let inside = |at: f64, half: f64, low: f64, high: f64| at.min(high - half).max(low + half);
        let candidates = RINGS.iter().flat_map(|ring| {
            DIRECTIONS.map(|(right, down)| {
                let (right, down) = (right * ring, down * ring);
                (
                    inside(x + right * (distance + width / 2.0), width / 2.0, frame.0, frame.2),
                    inside(y + down * (distance + height / 2.0), height / 2.0, frame.1, frame.3),
                )
            })
        });
        let covered = |&at: &(f64, f64)| -> f64 {
            taken
                .iter()
                .map(|other| common(around(at, width, height), *other))
                .sum()
        };
        // The first of equal ones, so the nearest.
        let best = candidates
            .map(|at| (covered(&at), at))
            .reduce(|best, new| if new.0 < best.0 - 1e-9 { new } else { best })
            .map_or((x, y), |(_, at)| at);
        taken.push(around(best, width, height));
        found.push(best);
    }
    found
}

fn around((x, y): (f64, f64), width: f64, height: f64) -> Rectangle {
    (x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0)
}

/// The area that two rectangles share.
fn common(a: Rectangle, b: Rectangle) -> f64 {
    let side = |low: f64, high: f64| (high - low).max(0.0);
    side(a.0.max(b.0), a.2.min(b.2)) * side(a.1.max(b.1), a.3.min(b.3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Rectangle = (0.0, 0.0, 230.0, 280.0);

    /// Labels of 12 x 9 beside markers of 10 x 10.
    fn labeled(points: &[(f64, f64)]) -> Vec<Rectangle> {
        let anchors: Vec<_> = points.iter().map(|&at| (at, 12.0)).collect();
        let markers: Vec<_> = points.iter().map(|&at| around(at, 10.0, 10.0)).collect();
        places(&anchors, 9.0, 3.0, &markers, FRAME)
            .into_iter()
            .map(|at| around(at, 12.0, 9.0))
            .collect()
    }

    #[test]
    fn labels_of_points_on_one_place_stay_apart() {
        // A point alone, four on one place, one in each of two corners.
        let points = [
            (50.0, 50.0),
            (150.0, 150.0),
            (150.0, 150.0),
            (150.0, 150.0),
            (150.0, 150.0),
            (0.0, 0.0),
            (230.0, 280.0),
        ];
        let labels = labeled(&points);
        for (i, a) in labels.iter().enumerate() {
            let apart = |b: &Rectangle| common(*a, *b) == 0.0;
            assert!(labels[..i].iter().all(apart), "{i}: {labels:?}");
            assert!(
                points.iter().all(|&at| apart(&around(at, 10.0, 10.0))),
                "{i}: {labels:?}"
            );
        }
        // The one that is alone stays next to its point.
        let middle = ((labels[0].0 + labels[0].2) / 2.0, (labels[0].1 + labels[0].3) / 2.0);
        assert!(
            (middle.0 - 50.0).abs() < 15.0 && (middle.1 - 50.0).abs() < 15.0,
            "{middle:?}"
        );
    }

    #[test]
    fn labels_stay_in_the_frame_and_near_their_points() {
        // Many points on a small grid, so that frames and neighbors are in the way: (7 i, 11 i) modulo the frame.
        let points: Vec<(f64, f64)> = (0..200)
            .map(|i| (f64::from(7 * i % 231), f64::from(11 * i % 281)))
            .collect();
        for (label, (x, y)) in labeled(&points).into_iter().zip(points) {
            assert!(label.0 >= -1e-9 && label.1 >= -1e-9 && label.2 <= 230.0 + 1e-9 && label.3 <= 280.0 + 1e-9);
            let middle = ((label.0 + label.2) / 2.0, (label.1 + label.3) / 2.0);
            assert!(
                (middle.0 - x).abs() < 45.0 && (middle.1 - y).abs() < 45.0,
                "{middle:?} for {x}, {y}"
            );
        }
    }
}
