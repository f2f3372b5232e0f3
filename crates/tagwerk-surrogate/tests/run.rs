//! A run from its table to the packed file, and what stands in the way of wrong ones.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tagwerk_data::Part;
use tagwerk_surrogate::synthetic::{SyntheticClassifier, declaration, write_stand_in};
use tagwerk_surrogate::{
    EvaluationOptions, MembersConfig, PackOptions, PackSurroundings, Questions, RunContext, ScoreModel,
    SharedSurrogate, SurrogateConfig, SurrogateError, SurrogateRun, Table, TrainingSummary, answer_jets, cdf,
    open_packed, usual_members, verify,
};
use tagwerk_train::{CheckpointKind, Observer, StepReport, SystemClock};

struct Silent;
impl Observer for Silent {}

/// Sets the stop after a number of steps.
struct StopAfter<'a>(u64, &'a AtomicBool);

impl Observer for StopAfter<'_> {
    fn step(&mut self, _: &StepReport) {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
    fn checkpoint(&mut self, _: CheckpointKind) {}
}

fn context<'a>(clock: &'a SystemClock, stop: &'a AtomicBool) -> RunContext<'a> {
    RunContext {
        clock,
        stop,
        version: "test",
        git: None,
        threads: 2,
    }
}

/// A small network on a small table.
fn config(file: &Path) -> SurrogateConfig {
    let text = format!(
        "name = 'small'
[data]
files = ['{}']
[model]
width = 16
[training]
epochs = 6
batch_size = 256
nll_rows = 200
[training.optimizer]
learning_rate = 5e-3
[evaluation]
drawn_rows = 100
draws = 20
shift_rows = 40
shift_draws = 4
single_draws = 100
single_neighbors = 50
",
        file.display()
    );
    SurrogateConfig::from_toml(&text, Path::new("small.toml")).unwrap()
}

struct Sandbox {
    folder: tempfile::TempDir,
    clock: SystemClock,
    stop: AtomicBool,
}

impl Sandbox {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: SystemClock::new(),
            stop: AtomicBool::new(false),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn table(&self, name: &str, rows: usize) -> PathBuf {
        let path = self.path(name);
        write_stand_in(&path, rows, 3, &[]).unwrap();
        path
    }

    fn train(&self, run: &str, config: &SurrogateConfig) -> Result<TrainingSummary, SurrogateError> {
        SurrogateRun::train(&self.path(run), config, &context(&self.clock, &self.stop), &mut Silent)
    }

    fn trained(&self) -> SurrogateRun {
        let summary = self.train("run", &config(&self.table("t.parquet", 2_000))).unwrap();
        assert!(summary.finished);
        SurrogateRun::open(&self.path("run")).unwrap()
    }

    fn infer(&self, run: &SurrogateRun, name: &str, members: &MembersConfig) -> Result<bool, SurrogateError> {
        let outcome = run.infer(name, members, &context(&self.clock, &self.stop), &|_, _| {})?;
        Ok(outcome.posterior.is_some())
    }
}

/// A few steps of a method.
fn short(method: &str) -> MembersConfig {
    let mut members = usual_members(method).unwrap();
    members.chains.chains = members.chains.chains.min(2);
    members.chains.batch = members.chains.batch.map(|_| 128);
    (members.chains.steps, members.chains.burn_in, members.chains.every) = (40, 20, 5);
    members.with_members(8).unwrap()
}

fn questions() -> Questions {
    Questions {
        samples: 7,
        quantiles: vec![0.16, 0.5],
        cuts: vec![0.9],
        seed: 5,
    }
}

/// Columns of a Parquet file, as f64.
fn columns(path: &Path, names: &[&str]) -> Vec<Vec<f64>> {
    let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
    let table = Table::jets(&[path.to_owned()], &names, None).unwrap();
    (0..names.len())
        .map(|c| {
            table
                .conditions()
                .iter()
                .skip(c)
                .step_by(names.len())
                .copied()
                .collect()
        })
        .collect()
}

/// Protects the one thing that all depends on: what leaves the program in a file answers as the run does, and the file
/// passes its own checks.
#[test]
fn train_posterior_evaluate_pack_and_answer_from_the_file() {
    let sandbox = Sandbox::new();
    let run = sandbox.trained();
    assert!(sandbox.infer(&run, "swag", &short("swag")).unwrap());
    assert_eq!(run.posteriors().unwrap(), ["swag"]);
    let posterior = run.posterior(None).unwrap().unwrap();
    assert_eq!(
        (posterior.name.as_str(), posterior.surrogate.members().len()),
        ("swag", 8)
    );
    for recalibrate in [false, true] {
        let shared = run.shared(Some(&posterior), recalibrate).unwrap();
        let evaluation = run.evaluate(&shared, &[], &run.config().evaluation).unwrap();
        // The test part of 2,000 jets, 20 % by hash.
        assert!((300..500).contains(&evaluation.rows) && evaluation.members == 8);
        for variable in ["jet_pt", "jet_multiplicity"] {
            assert_eq!(evaluation.coverage_in_bins[variable].len(), 5);
        }
        let ood = evaluation.ood.as_ref().unwrap();
        let shifted: Vec<&str> = ood.shifts.iter().map(|s| s.column.as_str()).collect();
        assert_eq!(shifted, ["jet_pt", "jet_energy", "jet_multiplicity"]);
        assert!(ood.shifts[0].points[10].unphysical.unwrap() > 0.5);

        let mut said = declaration();
        for (input, name) in said.inputs.iter_mut().zip(&run.config().data.conditions) {
            input.name.clone_from(name);
        }
        let file = sandbox.path("small-1.0.0.surrogate.zip");
        let around = PackSurroundings {
            declaration: &said,
            evaluation: &evaluation,
            report: "<!DOCTYPE html><title>report</title>",
            license: "MIT OR Apache-2.0\n",
            options: PackOptions {
                golden_rows: 100,
                packed_rows: 200,
                ..PackOptions::default()
            },
        };
        let manifest = run.pack(&shared, &around, &file).unwrap();
        assert_eq!((manifest.noise.members, manifest.inputs.len()), (8, 6));
        assert!(
            manifest.training_data.rows > 1_000 && manifest.solver.error.contains("differ from those of 200 steps")
        );
        let verification = verify::<SharedSurrogate>(&file).unwrap();
        assert!(verification.passed(), "{:?}", verification.failures);

        let (opened, _, domain) = open_packed::<SharedSurrogate>(&file).unwrap();
        assert_eq!(opened.recalibration().is_some(), recalibrate);
        let names = opened.surrogate().conditions().names();
        let jets = Table::jets(&[sandbox.path("t.parquet")], &names, None).unwrap();
        let (one, two) = (sandbox.path("run.parquet"), sandbox.path("file.parquet"));
        let own = run.domain().unwrap();
        let told = answer_jets(&shared, &own, &jets, &questions(), &one, &mut |_, _| true)
            .unwrap()
            .unwrap();
        answer_jets(&opened, &domain, &jets, &questions(), &two, &mut |_, _| true)
            .unwrap()
            .unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        assert_eq!((told.jets, told.members), (2_000, 8));
        assert!(told.flagged < 40, "{told:?}");
        let found = columns(
            &one,
            &["q0.16", "q0.5", "pass0.9", "pass0.9_spread", "epistemic", "row"],
        );
        assert!(found[0].iter().zip(&found[1]).all(|(low, middle)| low <= middle));
        assert!(found[3].iter().any(|s| *s > 0.0) && found[4].iter().all(|e| (0.0..=1.0).contains(e)));
        assert_eq!(found[5][1_999], 1_999.0);
        let mean = found[2].iter().sum::<f64>() / 2_000.0;
        assert!((mean - told.mean_efficiency[0]).abs() < 1e-12);
        // Quantiles and passing probabilities are of one distribution: the mean over members of P(s > cut).
        let mut passing = vec![0.0; 2_000];
        for member in 0..8 {
            let cut = (0.9f64 / 0.1).ln();
            let below = cdf(&shared, member, jets.conditions(), &vec![cut; 2_000]).unwrap();
            passing
                .iter_mut()
                .zip(below)
                .for_each(|(sum, p)| *sum += (1.0 - p) / 8.0);
        }
        assert!(passing.iter().zip(&found[2]).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}

/// A jet's draws are its own: asked alone, it gets what it gets among others; and a stop leaves no file.
#[test]
fn draws_do_not_depend_on_other_jets_and_a_stop_leaves_nothing() {
    let sandbox = Sandbox::new();
    let run = sandbox.trained();
    let (shared, domain) = (run.shared(None, false).unwrap(), run.domain().unwrap());
    let names = shared.surrogate().conditions().names();
    let jets = Table::jets(&[sandbox.path("t.parquet")], &names, None).unwrap();
    let ask = |jets: &Table, name: &str| {
        let questions = Questions {
            samples: 0,
            quantiles: vec![0.3],
            ..questions()
        };
        answer_jets(&shared, &domain, jets, &questions, &sandbox.path(name), &mut |_, _| {
            true
        })
        .unwrap();
        columns(&sandbox.path(name), &["q0.3", "pass0.9", "mahalanobis"])
    };
    let all = ask(&jets, "all.parquet");
    let some = ask(&jets.select(&[17, 1_500]), "some.parquet");
    for (all, some) in all.iter().zip(&some) {
        assert_eq!([all[17], all[1_500]], some[..]);
    }
    let stopped = answer_jets(
        &shared,
        &domain,
        &jets,
        &questions(),
        &sandbox.path("no.parquet"),
        &mut |_, _| false,
    );
    assert_eq!(stopped.unwrap(), None);
    assert!(!sandbox.path("no.parquet").exists());
}

#[test]
fn a_label_that_the_training_did_not_have_is_refused_with_its_row() {
    let sandbox = Sandbox::new();
    let run = sandbox.trained();
    let (shared, domain) = (run.shared(None, false).unwrap(), run.domain().unwrap());
    let names = shared.surrogate().conditions().names();
    let unlabeled = sandbox.path("jets.parquet");
    let kinematics = ["jet_pt", "jet_eta", "jet_phi", "jet_energy", "jet_multiplicity"];
    write_stand_in(&unlabeled, 300, 9, &kinematics).unwrap();
    let files = [unlabeled];
    let ask = |jets: &Table| {
        let path = sandbox.path("o.parquet");
        answer_jets(&shared, &domain, jets, &questions(), &path, &mut |_, _| true)
    };
    let missing = Table::jets(&files, &names, None).unwrap_err().to_string();
    assert!(missing.contains("label"), "{missing}");
    assert!(ask(&Table::jets(&files, &names, Some(("label", 1.0))).unwrap()).is_ok());
    let error = ask(&Table::jets(&files, &names, Some(("label", 2.0))).unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("row 0") && error.contains("`label`") && error.contains("trained with"),
        "{error}"
    );
    let twice = Table::jets(&[sandbox.path("t.parquet")], &names, Some(("label", 1.0)))
        .unwrap_err()
        .to_string();
    assert!(twice.contains("`label`") && twice.contains("of its own"), "{twice}");
}

/// Every method that the command line names makes members on a real surrogate, with a record.
#[test]
fn every_method_makes_members() {
    let sandbox = Sandbox::new();
    let run = sandbox.trained();
    for method in [
        "adam-mcmc",
        "variational",
        "ensemble",
        "swag",
        "laplace",
        "sghmc",
        "sgld",
        "mala",
    ] {
        let mut members = short(method);
        if method == "ensemble" {
            members = members.with_members(2).unwrap();
        }
        assert!(sandbox.infer(&run, method, &members).unwrap(), "{method}");
        let posterior = run.posterior(Some(method)).unwrap().unwrap();
        let expected = if method == "ensemble" { 2 } else { 8 };
        assert_eq!(posterior.surrogate.members().len(), expected, "{method}");
        assert_eq!(posterior.record.draws, expected, "{method}");
        let first = &posterior.surrogate.members()[0];
        assert!(
            posterior.surrogate.members().iter().skip(1).any(|m| m != first),
            "{method}"
        );
        let described = run.shared(Some(&posterior), false).unwrap().record().clone();
        assert!(
            described.posterior.contains(&format!("{expected} draws by")),
            "{}",
            described.posterior
        );
    }
    let ambiguous = run.posterior(None).unwrap_err().to_string();
    assert!(
        ambiguous.contains("several") && ambiguous.contains("laplace, mala"),
        "{ambiguous}"
    );
    assert!(run.posterior(Some("none")).unwrap().is_none());
    assert!(run.posterior(Some("nuts")).unwrap_err().to_string().contains("`nuts`"));
    let trace = std::fs::read_to_string(sandbox.path("run/posteriors/sgld/trace.csv")).unwrap();
    assert_eq!(
        (trace.lines().count(), trace.lines().next()),
        (81, Some("chain,step,loss,acceptance,accepted,noise"))
    );
}

/// Protects the promise of `--draws`: so many members, not about so many, and none made up.
#[test]
fn as_many_members_are_made_as_were_asked_for() {
    for wanted in [1, 7, 13, 16] {
        let members = usual_members("sgld").unwrap().with_members(wanted).unwrap();
        let made = members.chains.draws_of_a_chain() * members.chains.chains as u64;
        assert_eq!(made, wanted.next_multiple_of(4) as u64);
        assert!(members.chains.check().is_ok());
    }
    let error = usual_members("mala")
        .unwrap()
        .with_members(5_000)
        .unwrap_err()
        .to_string();
    assert!(error.contains("5000") && error.contains("burn-in"), "{error}");
    assert!(usual_members("nuts").unwrap_err().to_string().contains("adam-mcmc"));
}

/// Stopped chains and ensembles leave nothing that could be taken for a posterior, and go on to the same bits.
#[test]
fn a_stopped_posterior_goes_on_to_the_same_bits() {
    let sandbox = Sandbox::new();
    let run = sandbox.trained();
    for method in ["sgld", "ensemble"] {
        let mut members = short(method);
        if method == "ensemble" {
            members = members.with_members(2).unwrap();
        }
        assert!(sandbox.infer(&run, "alone", &members).unwrap());
        let mut stops = 0;
        loop {
            sandbox.stop.store(false, Ordering::Relaxed);
            let told = |done: u64, _: u64| {
                if done > 4 * stops {
                    sandbox.stop.store(true, Ordering::Relaxed);
                }
            };
            let context = context(&sandbox.clock, &sandbox.stop);
            if run
                .infer("stopped", &members, &context, &told)
                .unwrap()
                .posterior
                .is_some()
            {
                break;
            }
            stops += 1;
            assert_eq!(run.posteriors().unwrap(), ["alone"]);
            assert!(stops < 60);
        }
        sandbox.stop.store(false, Ordering::Relaxed);
        assert!(stops > 0, "{method}: it was never stopped");
        let weights = |name: &str| {
            std::fs::read(sandbox.path(&format!("run/posteriors/{name}/surrogate/weights.safetensors"))).unwrap()
        };
        assert_eq!(weights("alone"), weights("stopped"), "{method}");
        std::fs::remove_dir_all(sandbox.path("run/posteriors")).unwrap();
    }
    let other = short("sgld").with_seed(8);
    assert!(sandbox.infer(&run, "p", &short("sgld")).unwrap());
    let error = sandbox.infer(&run, "p", &other).unwrap_err().to_string();
    assert!(error.contains("seed"), "{error}");
    assert!(
        sandbox
            .infer(&run, "../p", &other)
            .unwrap_err()
            .to_string()
            .contains("letters")
    );
}

#[test]
fn a_stopped_training_is_no_finished_run_and_goes_on_to_the_same_bits() {
    let sandbox = Sandbox::new();
    let config = config(&sandbox.table("t.parquet", 2_000));
    sandbox.train("alone", &config).unwrap();
    let mut observer = StopAfter(7, &sandbox.stop);
    let around = context(&sandbox.clock, &sandbox.stop);
    let first = SurrogateRun::train(&sandbox.path("run"), &config, &around, &mut observer).unwrap();
    assert!(!first.finished && first.steps == 7);
    let error = SurrogateRun::open(&sandbox.path("run")).unwrap_err().to_string();
    assert!(error.contains("not finished"), "{error}");
    sandbox.stop.store(false, Ordering::Relaxed);
    let last = SurrogateRun::resume(&sandbox.path("run"), &around, &mut Silent).unwrap();
    assert!(last.finished);
    let weights = |run: &str| std::fs::read(sandbox.path(run).join("surrogate/weights.safetensors")).unwrap();
    assert_eq!(weights("run"), weights("alone"));
    let mut other = config.clone();
    other.training.seed = 4;
    let error = sandbox.train("run", &other).unwrap_err().to_string();
    assert!(error.contains("training.seed"), "{error}");
}

#[test]
fn tables_that_nothing_can_be_judged_by_are_refused_before_the_training() {
    let sandbox = Sandbox::new();
    let refused = |lines: &str, change: &dyn Fn(&mut SurrogateConfig)| {
        let path = sandbox.path("t.csv");
        std::fs::write(&path, lines).unwrap();
        let mut config = config(&path);
        config.data.conditions = vec!["label".to_owned(), "jet_pt".to_owned()];
        change(&mut config);
        let error = sandbox.train("run", &config).unwrap_err().to_string();
        assert!(!sandbox.path("run").exists());
        error
    };
    let rows = |label: &str, score: &str| {
        let good = (0..60).map(|i| format!("{},{},0.{}\n", i % 2, 500 + i, 10 + i));
        format!("label,jet_pt,score\n{}{label},500,{score}\n", good.collect::<String>())
    };
    let error = refused(&rows("2", "0.5"), &|_| {});
    assert!(
        error.contains("row 60") && error.contains("`label`") && error.contains("0 for background"),
        "{error}"
    );
    let error = refused(&rows("1", "1.5"), &|_| {});
    assert!(
        error.contains("row 60") && error.contains("`score`") && error.contains("1.5"),
        "{error}"
    );
    let error = refused(&rows("1", "0.5"), &|config| {
        config.data.conditions.push("mass".to_owned())
    });
    assert!(error.contains("no column `mass`"), "{error}");
    let error = refused(&rows("1", "0.5"), &|config| {
        config.evaluation.variables = Some(vec!["mass".to_owned()])
    });
    assert!(
        error.contains("evaluation.variables") && error.contains("`mass`"),
        "{error}"
    );
    let error = refused(&rows("1", "0.5"), &|config| {
        config.data.roles.energy = Some("e".to_owned())
    });
    assert!(error.contains("`energy`") && error.contains("`e`"), "{error}");
}

/// Two files joined by row id are the table that one file is, in whatever order; and any doubt about the ids is an error.
#[test]
fn observables_and_scores_of_two_files_are_joined_by_row_id() {
    let sandbox = Sandbox::new();
    let write = |name: &str, lines: &[&str]| {
        let path = sandbox.path(name);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    };
    let features = write("f.csv", &["row,label,pt", "7,1,500", "3,0,600", "9,1,700"]);
    let columns = tagwerk_surrogate::Columns {
        conditions: vec!["label".to_owned(), "pt".to_owned()],
        label: Some("label".to_owned()),
        scores: vec!["score".to_owned()],
    };
    let joined = |lines: &[&str]| {
        let scores = write("s.csv", lines);
        Table::read_joined(std::slice::from_ref(&features), &[scores], "row", &columns)
    };
    for scores in [
        &["row,label,score", "3,0,0.3", "9,1,0.9", "7,1,0.7"][..],
        &["score,row", "0.7,7", "0.9,9", "0.3,3"],
    ] {
        let table = joined(scores).unwrap();
        assert_eq!(
            (table.conditions(), table.scores()),
            (&[1.0, 500.0, 0.0, 600.0, 1.0, 700.0][..], &[0.7, 0.3, 0.9][..])
        );
    }
    for (scores, words) in [
        (
            &["row,score", "3,0.3", "9,0.9"][..],
            &["f.csv", "`row` 7", "not in", "s.csv"][..],
        ),
        (
            &["row,score", "3,0.3", "9,0.9", "7,0.7", "8,0.8"],
            &["s.csv", "`row` 8", "not in", "f.csv"],
        ),
        (
            &["row,score", "3,0.3", "9,0.9", "7,0.7", "3,0.1"],
            &["s.csv", "row 3", "`row`", "once"],
        ),
        (
            &["row,score", "3,0.3", "9.5,0.9", "7,0.7"],
            &["s.csv", "row 1", "9.5", "whole number"],
        ),
        (
            &["row,label,score", "3,0,0.3", "9,1,0.9", "7,0,0.7"],
            &["s.csv", "`row` 7", "`label` 0", "not the"],
        ),
        (&["number,score", "3,0.3"], &["s.csv", "`row`"]),
    ] {
        let error = joined(scores).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

/// On a classifier whose p(s | c) is known, a trained surrogate's distribution is the true one, jet by jet.
#[test]
fn the_truth_is_recovered_from_a_classifier_that_is_known() {
    let sandbox = Sandbox::new();
    let mut config = config(&sandbox.table("t.parquet", 40_000));
    config.model = tagwerk_surrogate::VelocityConfig::default();
    config.training.epochs = 60;
    config.training.batch_size = 256;
    config.training.nll_rows = 4_096;
    config.training.optimizer.learning_rate = 2e-3;
    config.training.schedule = tagwerk_surrogate::StepSchedule::Cosine { end: 0.01 };
    config.evaluation = EvaluationOptions {
        drawn_rows: 200,
        shift_rows: 40,
        ..EvaluationOptions::default()
    };
    sandbox.train("run", &config).unwrap();
    let run = SurrogateRun::open(&sandbox.path("run")).unwrap();
    let shared = run.shared(None, false).unwrap();
    let test = run.score_table(Part::Test).unwrap();
    let truth = SyntheticClassifier { seed: 3 }.exact();
    let (own, exact) = (
        cdf(&shared, 0, test.conditions(), test.logits()).unwrap(),
        cdf(&truth, 0, test.conditions(), test.logits()).unwrap(),
    );
    let mean = own.iter().zip(&exact).map(|(a, b)| (a - b).abs()).sum::<f64>() / own.len() as f64;
    let evaluation = run.evaluate(&shared, &[], &config.evaluation).unwrap();
    eprintln!(
        "mean |F - truth| {mean:.4}, KS {:.4}, coverage {:?}",
        evaluation.pit_ks, evaluation.coverage
    );
    // A PIT that were wrong by this much everywhere would show in coverage at 2 %.
    assert!(mean < 0.02, "{mean}");
    // Five percent of perfect samples of 8,000 have 0.0152 or more.
    assert!(evaluation.pit_ks < 0.02, "{}", evaluation.pit_ks);
    for (level, covered) in &evaluation.coverage {
        assert!(
            (covered - level.parse::<f64>().unwrap()).abs() < 0.02,
            "{level}: {covered}"
        );
    }
    assert_eq!(shared.members(), 1);
}
