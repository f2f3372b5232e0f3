//! The filters against what they stand for: functions of a Laplacian's eigenvalues.

use super::*;
use tagwerk_nn::{Segments, TensorData};

/// A weighted graph of two examples: seven points and a lone one.
fn network() -> (ChebNet, Rows) {
    let config = ChebNetConfig {
        neighbors: 3,
        sigma: 0.7,
        ..ChebNetConfig::default()
    };
    let graph = Graph::Nearest { k: 3, columns: [0, 1] };
    let points = [
        0.0, 0.0, 0.5, 0.1, -0.3, 0.6, 1.4, -0.2, 0.9, 0.9, -1.0, -0.4, 0.2, -0.8, 5.0, 5.0,
    ];
    let rows = Rows {
        width: 2,
        values: points.to_vec(),
        segments: Segments::new(vec![0, 7, 8]).unwrap(),
        real: vec![7, 1],
    };
    (config.init(8, 2, graph, 1, &Device::flex()).unwrap(), rows)
}

fn dense(matrix: &SparseMatrix) -> Vec<Vec<f64>> {
    let n = matrix.rows();
    let mut all = vec![vec![0.0; n]; n];
    for (i, j, value) in matrix.iter() {
        all[i][j] += f64::from(value);
    }
    all
}

/// Eigenvalues and eigenvectors (columns) of a symmetric matrix, by Jacobi's rotations.
fn eigen(mut a: Vec<Vec<f64>>) -> (Vec<f64>, Vec<Vec<f64>>) {
    let n = a.len();
    let mut vectors: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| f64::from(i == j)).collect()).collect();
    for _ in 0..50 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q].abs() < 1e-15 {
                    continue;
                }
                let angle = 0.5 * (2.0 * a[p][q]).atan2(a[q][q] - a[p][p]);
                let (sin, cos) = angle.sin_cos();
                let turn = |x: f64, y: f64| (cos * x - sin * y, sin * x + cos * y);
                for row in &mut a {
                    (row[p], row[q]) = turn(row[p], row[q]);
                }
                let (above, below) = a.split_at_mut(q);
                for (x, y) in above[p].iter_mut().zip(&mut below[0]) {
                    (*x, *y) = turn(*x, *y);
                }
                for row in &mut vectors {
                    (row[p], row[q]) = turn(row[p], row[q]);
                }
            }
        }
    }
    ((0..n).map(|i| a[i][i]).collect(), vectors)
}

fn numbers(x: Tensor<2>) -> Vec<f32> {
    x.into_data().convert::<f32>().try_into_vec().unwrap()
}

fn matrix(values: &[f32], c: usize) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len() / c, c]), &Device::flex())
}

/// `T_k(L~) x = U cos(k arccos lambda) U^T x`, with the eigenvalues and eigenvectors of the dense `L~`, in f64.
#[test]
fn the_recursion_is_the_polynomial_of_the_eigenvalues() {
    const ORDER: usize = 6;
    let (network, rows) = network();
    let laplacian = network.laplacian(&rows, &[]).unwrap();
    let (values, vectors) = eigen(dense(&laplacian));
    // Of the seven joined points the smallest eigenvalue of L is 0, of L~ -1; the lone point has none but 0.
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    assert!((least + 1.0).abs() < 1e-6, "{values:?}");
    assert!(values.iter().all(|v| v.abs() < 1.0 + 1e-6), "{values:?}");
    let x: Vec<f32> = (0..16).map(|i| (f64::from(i) * 1.3).sin() as f32).collect();
    let found = numbers(chebyshev(&laplacian, matrix(&x, 2), ORDER));
    for k in 0..ORDER {
        for c in 0..2 {
            for i in 0..8 {
                let expected: f64 = (0..8)
                    .map(|e| {
                        let polynomial = (k as f64 * values[e].clamp(-1.0, 1.0).acos()).cos();
                        let along: f64 = (0..8).map(|j| vectors[j][e] * f64::from(x[2 * j + c])).sum();
                        vectors[i][e] * polynomial * along
                    })
                    .sum();
                let found = f64::from(found[i * 2 * ORDER + 2 * k + c]);
                assert!((found - expected).abs() < 2e-6, "T_{k} of row {i}: {found}, {expected}");
            }
        }
    }
}

/// One minus the matrix is the Laplacian with exp(-d^2 / sigma^2) where either of two points is among the other's three
/// nearest.
#[test]
fn weights_are_gaussian_and_degrees_are_their_sums() {
    let (network, rows) = network();
    let found = dense(&network.laplacian(&rows, &[]).unwrap());
    let point = |i: usize| [f64::from(rows.values[2 * i]), f64::from(rows.values[2 * i + 1])];
    let distance = |i: usize, j: usize| (0..2).map(|d| (point(i)[d] - point(j)[d]).powi(2)).sum::<f64>();
    let near = |i: usize, j: usize| {
        let closer = (0..7).filter(|&o| o != i && distance(i, o) < distance(i, j)).count();
        i != j && closer < 3
    };
    let weight = |i: usize, j: usize| f64::from(near(i, j) || near(j, i)) * (-distance(i, j) / 0.49).exp();
    let degree = |i: usize| (0..7).map(|j| weight(i, j)).sum::<f64>();
    for (i, row) in found[..7].iter().enumerate() {
        for (j, found) in row[..7].iter().enumerate() {
            let expected = -weight(i, j) / (degree(i) * degree(j)).sqrt();
            assert!((found - expected).abs() < 1e-6, "{i} {j}: {found} {expected}");
        }
    }
    assert!(found[7].iter().all(|v| *v == 0.0), "the lone point has no edge");
}

#[test]
fn of_order_one_a_filter_is_a_dense_layer_on_nodes() {
    let (network, rows) = network();
    let laplacian = network.laplacian(&rows, &[]).unwrap();
    let x: Vec<f32> = (0..24).map(|i| i as f32).collect();
    assert_eq!(numbers(chebyshev(&laplacian, matrix(&x, 3), 1)), x);
}

#[test]
fn parameters_are_those_of_its_layers() {
    let weights = 28 * 64 + 256 * 128 + 512 * 256 + 256 * 256 + 256;
    let biases_and_normalizations = 3 * (64 + 128 + 256) + 256 + 1;
    let config = ChebNetConfig::default();
    let network = config.network(&config.jets(), 1, &Device::flex()).unwrap();
    assert_eq!(network.parameter_count(), weights + biases_and_normalizations);
    assert_eq!(network.parameter_count(), 233_025);
}
