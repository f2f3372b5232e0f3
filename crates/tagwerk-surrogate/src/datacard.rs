//! The data card and the citation file: the manifest in words, made from it so that they cannot say something else.

use crate::manifest::Manifest;
use std::fmt::Write;

/// The data card in Markdown.
pub(crate) fn datacard(m: &Manifest) -> String {
    let mut out = String::new();
    let id = &m.identity;
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("# {} {}\n", id.name, id.version));
    line(format!(
        "A surrogate of {} {}: the scores that it would give, from {} inputs.\n",
        m.classifier.name,
        m.classifier.version,
        m.inputs.len()
    ));
    line(format!("* Authors: {}; contact: {}", id.authors.join(", "), id.contact));
    line(format!("* DOI: {}; license: {}; {}", id.doi, id.license, id.date));
    line(format!("* How to cite: {}", id.citation));
    line(format!("* Superseded by: {}", id.superseded_by));
    line("\n## The score\n".to_owned());
    line(format!("{}. {}\n", m.classifier.score, m.classifier.calibration));
    line("| working point | logit above | signal efficiency | background efficiency |\n|---|---|---|---|".to_owned());
    for w in &m.classifier.working_points {
        line(format!(
            "| {} | {:.4} | {:.4} | {:.3e} |",
            w.name, w.logit, w.signal_efficiency, w.background_efficiency
        ));
    }
    line(format!(
        "\nOutput: {} ({}); {}; range {}; {}. One sample: {}.",
        m.output.name, m.output.unit, m.output.transform, m.output.range, m.output.saturation, m.output.sample
    ));
    line("\n## Inputs\n".to_owned());
    let level = &m.input_level;
    line(format!(
        "{} level: {}. Pile-up: {}. Clustered: {}. Matching: {}. Selection: {}.\n",
        level.level, level.object, level.pileup, level.inclusion, level.matching, level.selection
    ));
    line("| name | unit | convention | if unknown | trained on |\n|---|---|---|---|---|".to_owned());
    for input in &m.inputs {
        line(format!(
            "| {} | {} | {} | {} | {:.6} to {:.6} |",
            input.name, input.unit, input.convention, input.missing, input.min, input.max
        ));
    }
    line("\n## Labels\n".to_owned());
    for (value, class) in &m.labels.allowed {
        line(format!("* {value}: {class}"));
    }
    line(format!(
        "\n{}. Other processes: {}. {}.",
        m.labels.definition, m.labels.other_processes, m.labels.prior
    ));
    line("\n## Using it\n".to_owned());
    line(format!(
        "{} members ({}). {}. Noise: {}, {} a sample; {}.",
        m.noise.members,
        m.noise.member_origin,
        m.noise.common_noise,
        m.noise.distribution,
        m.noise.dimension,
        m.noise.seeding
    ));
    line(format!("\n{}", m.noise.combination));
    line(format!(
        "\nOutside its domain: {}. {}.",
        m.domain.behavior, m.domain.consistency
    ));
    line("\n## How well it does\n".to_owned());
    let v = &m.validation;
    line(format!(
        "On {} jets:\n\n| central interval | observed |\n|---|---|",
        v.rows
    ));
    for (level, share) in &v.coverage {
        line(format!("| {level} | {share:.4} |"));
    }
    line(format!(
        "\nKS of the PIT {:.4}; AUC {:.5} (classifier {:.5}); JS distance of accuracy spectra {:.4}; CRPS {:.5}; NLL \
         {:.4}.",
        v.pit_ks, v.auc_surrogate, v.auc_classifier, v.js_distance, v.crps, v.nll
    ));
    line(format!("\nIn an analysis: {}", v.closure));
    line("\n## Limits\n".to_owned());
    for limit in &m.limits.known_failures {
        line(format!("* {limit}"));
    }
    line(format!("* The band of the members covers: {}", m.limits.band_covers));
    line(format!("* It does not cover: {}", m.limits.band_leaves_out));
    for not_for in &m.limits.not_for {
        line(format!("* Not for: {not_for}"));
    }
    line("\n## Origin\n".to_owned());
    let t = &m.training_data;
    line(format!(
        "{} jets of {}; generator {}; shower {}; detector {}. Parts: {}. Cuts: {}. Weights: {}. Overlap with the \
         classifier's training: {}.",
        t.rows,
        t.samples.join(", "),
        t.generator,
        t.shower,
        t.detector,
        t.splits,
        t.cuts,
        t.weights,
        t.overlap
    ));
    line(format!(
        "\n{}, {} parameters. Posterior: {}. Convergence: {}.",
        m.model.architecture, m.model.parameters, m.model.posterior, m.model.convergence
    ));
    line(format!(
        "\nPrivacy: {}. Approval: {}.",
        m.approval.privacy, m.approval.approval
    ));
    out
}

/// CITATION.cff, version 1.2.0.
pub(crate) fn citation(m: &Manifest) -> String {
    let id = &m.identity;
    // JSON strings are YAML strings.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut out =
        String::from("cff-version: 1.2.0\nmessage: If you use this surrogate, cite it as below.\ntype: dataset\n");
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "title: {}\nversion: {}\ndate-released: {}\nlicense: {}\n",
        quoted(&id.name),
        quoted(&id.version),
        quoted(&id.date),
        quoted(&id.license)
    );
    if id.doi.starts_with("10.") {
        let _ = writeln!(out, "doi: {}", quoted(&id.doi));
    }
    out.push_str("authors:\n");
    for author in &id.authors {
        let _ = writeln!(out, "  - name: {}", quoted(author));
    }
    out
}
