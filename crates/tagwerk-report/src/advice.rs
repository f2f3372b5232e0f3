//! Which tagger to take, in a few sentences for whoever does not know taggers.

use tagwerk_stats::{Advice, Bargain, Cost, LandscapeResult, NEARLY, Standing, TaggerResult};

use crate::escape::plain;
use crate::number::{decimals_of_rejection, duration, grouped};
use crate::table::wrap;

/// The advice for a terminal: one sentence a line, long ones broken.
pub fn advice_text(landscape: &LandscapeResult) -> String {
    let lines = advice_lines(landscape);
    let broken: String = lines.iter().map(|line| wrap(&plain(line))).collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!("Advice\n{broken}"),
    }
}

/// The advice, a sentence or two an entry. Empty for a table without taggers.
pub fn advice_lines(landscape: &LandscapeResult) -> Vec<String> {
    let advice = &landscape.advice;
    let Some(best) = advice
        .highest_rejection
        .as_deref()
        .and_then(|name| landscape.tagger(name))
    else {
        return Vec::new();
    };
    let mut lines = vec![highest(landscape, best)];
    if landscape.taggers.len() > 1 {
        lines.push(nearly(landscape, best));
        lines.extend(cheapest(landscape));
        lines.extend(not_worth_it(advice));
    }
    lines.push(conditions(landscape));
    lines
}

fn highest(landscape: &LandscapeResult, best: &TaggerResult) -> String {
    let n = best.rejection_single.trainings.len();
    let how = if n == 1 {
        "one training".to_owned()
    } else {
        format!("median of {n} trainings")
    };
    let mut line = format!(
        "For the highest rejection: {} ({}, {how}{}).",
        best.name,
        rejection(best),
        costs(landscape, best)
    );
    if landscape.taggers.len() == 1 {
        line.push_str(" It is the only tagger of this table.");
    }
    let alike = &landscape.advice.not_distinguishable;
    if !alike.is_empty() {
        line.push_str(&format!(
            " These {} test jets and {} do not tell it from {}.",
            grouped(landscape.test_rows as u64),
            if n == 1 { "this training" } else { "these trainings" },
            listed(alike)
        ));
    }
    line
}

fn nearly(landscape: &LandscapeResult, best: &TaggerResult) -> String {
    let advice = &landscape.advice;
    let mut names: Vec<&str> = Vec::new();
    for bargain in &advice.nearly_as_good {
        if !names.contains(&bargain.name.as_str()) {
            names.push(&bargain.name);
        }
    }
    if names.is_empty() {
        let known = Cost::ALL
            .into_iter()
            .filter(|&cost| landscape.cost(best, cost).is_some());
        let cheapest = |cost: Cost| advice.points(cost).first().is_some_and(|point| point.name == best.name);
        if known.clone().count() > 0 && known.into_iter().all(cheapest) {
            return format!("Nothing else costs less than {}.", best.name);
        }
        return format!("Nothing that costs less reaches {:.0} % of it.", 100.0 * NEARLY);
    }
    let of_name = |name: &&str| {
        let own: Vec<&Bargain> = advice.nearly_as_good.iter().filter(|b| b.name == **name).collect();
        let parts: Vec<String> = own
            .iter()
            .map(|b| format!("{} of the {}", share(b.cost_share), what(b.cost)))
            .collect();
        // All bargains of a name have the same rejection.
        let rejection = own.first().map_or(1.0, |b| b.rejection_share);
        format!(
            "{name}, with {:.0} % of its rejection at {}",
            100.0 * rejection,
            listed(&parts)
        )
    };
    format!(
        "Nearly as good for less: {}.",
        names.iter().map(of_name).collect::<Vec<_>>().join("; ")
    )
}

/// The cheapest tagger of each cost, those of one name together.
fn cheapest(landscape: &LandscapeResult) -> Option<String> {
    let mut found: Vec<(&str, Vec<String>)> = Vec::new();
    for cost in Cost::ALL {
        let points = landscape.advice.points(cost);
        let Some(first) = points.first().filter(|_| points.len() > 1) else {
            continue;
        };
        let amount = amount(cost, first.cost);
        let words = match cost {
            Cost::TrainingSeconds => format!("fastest to train ({amount})"),
            Cost::InferenceMicroseconds => format!("fastest to score ({amount})"),
            Cost::Parameters => format!("smallest ({amount})"),
        };
        match found.iter_mut().find(|(name, _)| *name == first.name) {
            Some((_, all)) => all.push(words),
            None => found.push((&first.name, vec![words])),
        }
    }
    let described = |(name, words): &(&str, Vec<String>)| {
        let rejection = landscape.tagger(name).map(rejection).unwrap_or_default();
        format!("{name} is {}, with {rejection}", listed(words))
    };
    let all: Vec<String> = found.iter().map(described).collect();
    (!all.is_empty()).then(|| format!("Cheapest: {}.", all.join("; ")))
}

fn not_worth_it(advice: &Advice) -> Option<String> {
    let names = &advice.not_worth_it;
    if names.is_empty() {
        return None;
    }
    let anything = Cost::ALL
        .iter()
        .flat_map(|&cost| advice.points(cost))
        .any(|point| point.standing == Standing::Undecided);
    let rest = if anything { "; the errors rule out no other" } else { "" };
    Some(format!(
        "Not worth the cost here: {}. Whatever cost counts, another tagger costs no more and rejects more, beyond two \
         standard deviations{rest}.",
        listed(names)
    ))
}

/// What the times are, and which are missing.
fn conditions(landscape: &LandscapeResult) -> String {
    let trainings = || landscape.taggers.iter().flat_map(|tagger| &tagger.trainings);
    let threads = |of: &mut dyn Iterator<Item = usize>| {
        let (low, high) = of.fold((usize::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
        match (low, high) {
            (_, 0) => String::new(),
            (low, high) if low == high => format!(" on {}", counted(high)),
            (low, high) => format!(" on {low} to {}", counted(high)),
        }
    };
    let of_training = threads(&mut trainings().filter(|t| t.seconds > 0.0).filter_map(|t| t.threads));
    let of_scoring = threads(&mut trainings().filter_map(|t| t.scoring.map(|s| s.threads)));
    let mut line = format!(
        "Times are medians over trainings on this machine: training{of_training}; scoring{of_scoring}, from momenta to score{}. \
         R(0.3) is the background rejection at a signal efficiency of 0.3 on {}; on other jets the order may be another.",
        if trainings().any(|t| t.scoring.is_some_and(|s| s.view_seconds == 0.0)) {
            ", or from disk where jets are streamed"
        } else {
            ""
        },
        landscape.dataset
    );
    for (cost, words) in [
        (Cost::TrainingSeconds, "training time (trained elsewhere)"),
        (
            Cost::InferenceMicroseconds,
            "scoring time (scored apart from the training)",
        ),
    ] {
        let without: Vec<String> = landscape
            .taggers
            .iter()
            .filter(|tagger| landscape.cost(tagger, cost).is_none())
            .map(|tagger| tagger.name.clone())
            .collect();
        if !without.is_empty() {
            line.push_str(&format!(" Without a {words}: {}.", listed(&without)));
        }
    }
    line
}

fn counted(threads: usize) -> String {
    format!("{threads} thread{}", if threads == 1 { "" } else { "s" })
}

/// The rejection of a tagger, or its limit.
fn rejection(tagger: &TaggerResult) -> String {
    let single = &tagger.rejection_single;
    match (single.value, single.lower_limit) {
        (Some(value), _) => format!("R(0.3) = {value:.*}", decimals_of_rejection(value)),
        (None, Some(limit)) => format!("R(0.3) > {limit:.0}"),
        (None, None) => "R(0.3) unknown".to_owned(),
    }
}

/// What a tagger costs, as far as known.
fn costs(landscape: &LandscapeResult, tagger: &TaggerResult) -> String {
    let known = Cost::ALL
        .into_iter()
        .filter_map(|cost| Some((cost, landscape.cost(tagger, cost)?)));
    let words = |(cost, value): (Cost, f64)| {
        let amount = amount(cost, value);
        match cost {
            Cost::TrainingSeconds => format!("; {amount} a training"),
            Cost::InferenceMicroseconds => format!(", {amount}"),
            Cost::Parameters => format!(", {amount}"),
        }
    };
    let mut words: String = known.map(words).collect();
    if !tagger.reads.is_empty() && !words.is_empty() {
        words.push_str(", with all trainings whose scores it reads");
    }
    words
}

fn amount(cost: Cost, value: f64) -> String {
    match cost {
        Cost::TrainingSeconds => duration(value),
        Cost::InferenceMicroseconds => format!("{} us a jet", significant(value)),
        Cost::Parameters => format!("{} parameters", grouped(value as u64)),
    }
}

fn what(cost: Cost) -> &'static str {
    match cost {
        Cost::TrainingSeconds => "training time",
        Cost::InferenceMicroseconds => "scoring time",
        Cost::Parameters => "parameters",
    }
}

/// A measured time with as many digits as it deserves: two.
fn significant(value: f64) -> String {
    let decimals = if value < 10.0 { 1 } else { 0 };
    format!("{value:.decimals$}")
}

/// A share below one, in words that are read at once: `62 %`, `a tenth`, `1/40`.
fn share(share: f64) -> String {
    match share {
        s if (0.095..0.105).contains(&s) => "a tenth".to_owned(),
        s if s >= 0.1 => format!("{:.0} %", 100.0 * s),
        s => format!("1/{:.0}", 1.0 / s),
    }
}

/// `a`, `a and b`, `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_lists_read_as_words() {
        assert_eq!(
            [0.62, 0.1, 0.025, 0.999].map(share),
            ["62 %", "a tenth", "1/40", "100 %"]
        );
        let words = ["a", "b", "c"].map(str::to_owned);
        assert_eq!([1, 2, 3].map(|n| listed(&words[..n])), ["a", "a and b", "a, b and c"]);
    }
}
