//! Times of a surrogate's training step, likelihoods and samples, and how far they are from the arithmetic floor.
//!
//! The floor of one evaluation of the published network is 20,608 multiply-adds a row: the network as it is folded,
//! 5 x 64 x 64 between layers and 2 x 64 at the ends. (As written, with time and six conditions concatenated before each
//! block, it is 31,232.) A training step needs three times as much, forward, backward and weight gradient, and
//! 2 x 12 x 192 for time and conditions: 66,400 a row. One with dv/dx needs twice an evaluation. ELU is not counted: 384
//! exponentials a row and evaluation. The first figure printed is the rate of the kernel itself in one thread, a product
//! of 96 x 64 by 64 x 64 again and again; the others are given as a share of it.
//!
//! Plain loops, medians over repeats. The peer is `peers/surrogate.py` in the root of the repository, PyTorch and zuko with
//! the same weights: run this with `--save FOLDER` first.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::time::Instant;
use tagwerk_data::random;
use tagwerk_surrogate::{
    Adam, Adaptive, ExactLikelihood, Examples, Fixed, FlowConfig, Interpolation, Optimizer, Scheme, Solver,
    VelocityConfig, VelocityNet,
    exact::{cdf, decode, sample},
    matching_loss, solve,
};

const CONDITIONS: usize = 6;
const BATCH: usize = 8192;

/// Seconds of all threads of this process on a processor, in hundredths, where the system tells.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in parentheses: user and system time are the 12th and 13th words, in ticks of 10 ms.
    let words = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    words
        .skip(11)
        .take(2)
        .filter_map(|w| w.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

/// Median seconds of a pass, and processor seconds of a pass on the mean, which a busy machine disturbs less.
fn measure<T>(repeats: usize, mut pass: impl FnMut() -> T) -> (f64, f64) {
    let before = processor_seconds();
    let mut times: Vec<f64> = (0..repeats)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(pass());
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[repeats / 2], (processor_seconds() - before) / repeats as f64)
}

fn report(what: &str, (wall, processor): (f64, f64), more: &str) {
    println!(
        "{what:52} {:10.2} ms, processors {:10.2} ms {more}",
        wall * 1e3,
        processor * 1e3
    );
}

/// Jets with six standardized conditions, the first a label, and transformed scores with two peaks for each label, as a
/// good classifier's scores have them.
fn toy(jets: usize, index: u64) -> (Vec<f32>, Vec<f32>) {
    let mut rng = random::stream(1, "bench toy", index);
    let (mut x, mut c) = (Vec::new(), Vec::new());
    for jet in 0..jets {
        let label = if jet % 2 == 0 { -1.0 } else { 1.0 };
        let others: Vec<f64> = (1..CONDITIONS).map(|_| random::normal(&mut rng)).collect();
        let flips = random::uniform(&mut rng) < 0.15;
        let sign = if flips { -label } else { label };
        let width = 1.5 + 0.7 * (0.5 * others[4]).tanh();
        let logit = sign * (5.0 + others[0].tanh()) + width * random::normal(&mut rng);
        x.push((logit / 20.0) as f32);
        c.push(label as f32);
        c.extend(others.iter().map(|&v| v as f32));
    }
    (x, c)
}

fn main() {
    let save = std::env::args().skip_while(|arg| arg != "--save").nth(1);
    let net = VelocityNet::new(VelocityConfig::default(), 1, CONDITIONS).unwrap();
    let threads = rayon::current_num_threads();
    println!("{} parameters, {} threads", net.parameter_count(), threads);

    // The rate of the kernel: a network that is all squares, one thread, rows in cache.
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let evaluate = |rows: usize| {
        let theta = net.init(0);
        let folded = net.fold(&theta).unwrap();
        let c = vec![0.1f32; CONDITIONS];
        let velocity = folded.condition(&c).unwrap();
        let jets = vec![0u32; rows];
        let z: Vec<f64> = (0..rows).map(|i| (i as f64).sin()).collect();
        let solver = Solver::Fixed(Fixed {
            scheme: Scheme::Rk4,
            steps: 10,
        });
        let (wall, processor) = measure(25, || decode(&velocity, &solver, &jets, &z).unwrap());
        let count = (rows * 40) as f64;
        (wall / count, processor / count)
    };
    let (row, processor) = one.install(|| evaluate(4800));
    let floor = net.multiply_adds() as f64;
    println!(
        "evaluation, 1 thread: {:.1} ns a row, on the processor {:.1} ns: {:.1} G multiply-adds/s",
        row * 1e9,
        processor * 1e9,
        floor / processor / 1e9
    );

    let (x, c) = toy(100_000, 0);
    let examples = Examples::new(&x, &c, 1, CONDITIONS).unwrap();
    let flow = FlowConfig::default();
    let mut theta = net.init(0);
    let mut adam = Adam::new(theta.len());
    let mut gradient = vec![0.0; theta.len()];
    let mut step = 0;
    let mut train = |theta: &mut Vec<f32>, batch: usize| {
        let rows: Vec<usize> = (0..batch).map(|i| (step as usize * batch + i) % x.len()).collect();
        let pairs = flow.draw(examples, &rows, (0, "bench", step)).unwrap();
        gradient.fill(0.0);
        let loss = matching_loss(&net, theta, &pairs, Some(&mut gradient)).unwrap();
        adam.step(&Optimizer::default(), 2e-3, step, theta, &gradient);
        step += 1;
        loss
    };
    let mut loss = 0.0;
    for _ in 0..1500 {
        loss = train(&mut theta, 2048);
    }
    println!("trained for 1500 steps of 2048, loss {loss:.4}");
    let mut copy = theta.clone();
    let times = measure(61, || train(&mut copy, BATCH));
    let work = 3.0 * floor + 2.0 * 12.0 * 192.0;
    let rate = format!(
        "({:.1} G multiply-adds/s a processor)",
        work * BATCH as f64 / times.1 / 1e9
    );
    report("CFM step of 8192", times, &rate);
    let rows: Vec<usize> = (0..BATCH).collect();
    let exact = ExactLikelihood {
        steps: Fixed {
            scheme: Scheme::Rk4,
            steps: 10,
        },
    };
    let times = measure(5, || exact.loss(&net, &theta, examples, &rows).unwrap());
    report("exact likelihood of 8192, 10 steps of rk4", times, "");
    let mut gradient = vec![0.0; theta.len()];
    let times = measure(3, || {
        gradient.fill(0.0);
        exact
            .loss_and_gradient(&net, &theta, examples, &rows, &mut gradient)
            .unwrap()
    });
    report("  with its gradient", times, "");

    let (jets, draws) = (10_000, 1000);
    let (truth, c) = toy(jets, 1);
    if let Some(folder) = &save {
        std::fs::create_dir_all(folder).unwrap();
        net.write(&std::path::Path::new(folder).join("weights.safetensors"), &theta)
            .unwrap();
        let bytes: Vec<u8> = c.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(std::path::Path::new(folder).join("conditions.f32"), bytes).unwrap();
        let bytes: Vec<u8> = truth.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(std::path::Path::new(folder).join("x.f32"), bytes).unwrap();
    }
    let of: Vec<u32> = (0..jets as u32).collect();
    let noise = |jet: u64| {
        let mut rng = random::stream(0, "bench noise", jet);
        (0..draws).map(|_| random::normal(&mut rng)).collect::<Vec<f64>>()
    };
    let z: Vec<f64> = (0..jets as u64).flat_map(noise).collect();
    let folded = net.fold(&theta).unwrap();
    let adaptive = Solver::Adaptive(Adaptive::default());
    let velocity = folded.condition(&c).unwrap();
    let interpolated = |solver: &Solver| {
        let mut x = Vec::new();
        let times = measure(1, || {
            x = sample(&velocity, solver, &Interpolation::default(), &of, &z).unwrap()
        });
        (times, x)
    };
    let (times, samples) = interpolated(&adaptive);
    report("10,000 jets x 1,000 samples, interpolated, adaptive", times, "");
    let rk4 = Solver::Fixed(Fixed {
        scheme: Scheme::Rk4,
        steps: 20,
    });
    report(
        "10,000 jets x 1,000 samples, interpolated, 20 rk4",
        interpolated(&rk4).0,
        "",
    );
    // Every sample solved by itself, for a fiftieth of the jets.
    let few = 200;
    let each: Vec<u32> = of[..few]
        .iter()
        .flat_map(|&jet| std::iter::repeat_n(jet, draws))
        .collect();
    let mut solved = Vec::new();
    let mut evaluations = 0;
    let times = measure(1, || {
        let end = solve(&velocity, &adaptive, (1.0, 0.0), &each, &z[..few * draws], false).unwrap();
        (solved, evaluations) = (end.x, end.evaluations);
    });
    let evaluations = format!("({} evaluations a sample)", evaluations / (few * draws) as u64);
    report("200 jets x 1,000 samples, each solved, adaptive", times, &evaluations);
    let worst = solved
        .iter()
        .zip(&samples)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    let mean = solved.iter().zip(&samples).map(|(a, b)| (a - b).abs()).sum::<f64>() / solved.len() as f64;
    println!(
        "  interpolated and solved one by one differ by at most {worst:.1e}, on the mean by {mean:.1e} in x (a twentieth of a logit)"
    );
    let x: Vec<f64> = truth.iter().map(|&v| f64::from(v)).collect();
    let times = measure(5, || cdf(&velocity, &adaptive, &of, &x).unwrap());
    report("10,000 exact distribution functions, adaptive", times, "");
}
