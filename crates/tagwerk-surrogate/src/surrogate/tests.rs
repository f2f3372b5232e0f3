//! A surrogate of any weights: it comes back from its files, and its answers agree with one another.

use super::*;

fn conditions() -> Conditions {
    let names = ["label", "pt"].map(str::to_owned);
    let c: Vec<f64> = (0..100)
        .flat_map(|i| [f64::from(i % 2), 500.0 + f64::from(i)])
        .collect();
    Conditions::fit(&names, &c).unwrap()
}

fn surrogate(members: u64) -> Surrogate {
    let model = VelocityConfig {
        width: 16,
        ..VelocityConfig::default()
    };
    let net = VelocityNet::new(model, 1, 2).unwrap();
    let members = (0..members).map(|seed| net.init(seed)).collect();
    let scores = vec!["score".to_owned()];
    // Untrained weights give x of order 1; with the published scale scores would be 0 and 1 to the last bit.
    let transform = Transform {
        scale: 2.0,
        ..Transform::default()
    };
    Surrogate::new("test".to_owned(), scores, transform, conditions(), model, members).unwrap()
}

const THREE: [f64; 6] = [0.0, 510.0, 1.0, 560.0, 1.0, 700.0];

#[test]
fn it_comes_back_from_its_files_and_answers_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let saved = surrogate(3);
    saved.save(dir.path()).unwrap();
    let loaded = Surrogate::load(dir.path()).unwrap();
    assert_eq!(loaded, saved);
    assert_eq!(
        loaded.sample(&THREE, 5, 1, 0).unwrap(),
        saved.sample(&THREE, 5, 1, 0).unwrap()
    );
    let path = dir.path().join(WEIGHTS);
    let mut content = std::fs::read(&path).unwrap();
    *content.last_mut().unwrap() ^= 1;
    std::fs::write(&path, content).unwrap();
    assert!(Surrogate::load(dir.path()).unwrap_err().to_string().contains("SHA-256"));
}

#[test]
fn members_share_their_noise_and_jets_their_draws() {
    let both = surrogate(2);
    let samples = both.sample(&THREE, 200, 9, 0).unwrap();
    // The same noise: two members' samples are in the same order.
    let order = |values: &[f64]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        order
    };
    assert_eq!(order(samples.of(0, 1)), order(samples.of(1, 1)));
    assert_ne!(order(samples.of(0, 0)), order(samples.of(0, 1)));
    // A jet asked for alone, by its number, answers the same.
    let alone = both.sample(&THREE[2..4], 200, 9, 1).unwrap();
    assert_eq!(alone.of(1, 0), samples.of(1, 1));
}

#[test]
fn quantiles_efficiencies_distribution_and_density_agree_with_one_another() {
    let one = surrogate(1);
    let p = [0.1, 0.5, 0.9];
    let q = one.quantiles(&THREE, &p).unwrap();
    for (k, &p) in p.iter().enumerate() {
        for jet in 0..3 {
            let cut = q[jet * 3 + k];
            let above = one.efficiency(&THREE, cut).unwrap()[jet];
            assert!((above - (1.0 - p)).abs() < 1e-4, "{above} {p}");
        }
    }
    let (s, h) = ([0.3, 0.5, 0.8], 1e-3);
    let at = |shift: f64| one.cdf(&THREE, &s.map(|s| s + shift)).unwrap();
    let (up, down) = (at(h), at(-h));
    let log_prob = one.log_prob(&THREE, &s).unwrap();
    for jet in 0..3 {
        let density = (up[jet] - down[jet]) / (2.0 * h);
        assert!(
            (log_prob[jet].exp() / density - 1.0).abs() < 0.01,
            "{} {density}",
            log_prob[jet].exp()
        );
    }
    assert_eq!(one.out_of_domain(&THREE).unwrap(), [false, false, true]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let one = surrogate(1);
    let error = one.sample(&[0.0, f64::NAN], 3, 0, 0).unwrap_err().to_string();
    assert!(error.contains("`pt`") && error.contains("NaN"), "{error}");
    assert!(one.sample(&[0.0], 3, 0, 0).is_err());
    assert!(one.efficiency(&THREE, 1.5).unwrap_err().to_string().contains("1.5"));
    assert!(one.cdf(&THREE, &[0.5]).is_err());
    assert!(one.quantiles(&THREE, &[0.0]).is_err());
    assert!(one.clone().with_members(vec![]).is_err());
    assert!(one.with_members(vec![vec![0.0; 3]]).is_err());
}
