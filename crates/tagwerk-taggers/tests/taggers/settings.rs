//! Settings that no network can be built with: refused by the cheap check, by name and value.

use crate::support::sample::jets;
use crate::support::tagger;
use tagwerk_data::Part;
use tagwerk_taggers::{Device, registry};

#[test]
fn what_check_passes_can_be_built_and_what_it_refuses_is_named() {
    for tagger in registry::names().map(tagger) {
        tagger.check().unwrap();
    }
    let huge = usize::MAX / 4;
    for (name, settings, key) in [
        ("topodnn", "hidden = [10, 0]".to_owned(), "hidden = [10, 0]"),
        ("topodnn", format!("hidden = [10, {huge}]"), "hidden = "),
        ("treenin", "hidden = 0".to_owned(), "hidden = 0"),
        ("lola", "constituents = 0".to_owned(), "constituents = 0"),
        ("lola", "hidden = [0]".to_owned(), "hidden = [0]"),
        ("lbn", "particles = 0".to_owned(), "particles = 0"),
        ("lbn", "singles = []\npairs = []".to_owned(), "number of features = 0"),
        ("pfn", "phi = []".to_owned(), "phi = []"),
        ("pfn", "f = [0]".to_owned(), "f = [0]"),
        (
            "pfn",
            "preprocessing = {max_constituents = 0}".to_owned(),
            "max_constituents",
        ),
        ("efn", "phi = [0]".to_owned(), "phi = [0]"),
        ("particlenet", "dropout = 1.0".to_owned(), "dropout = 1"),
        ("particlenet", "hidden = 0".to_owned(), "hidden = [0]"),
        ("particlenet", "blocks = []".to_owned(), "blocks"),
        (
            "particlenet-lite",
            "blocks = [{k = 0, widths = [8]}]".to_owned(),
            "blocks.k = 0",
        ),
        (
            "particlenet-lite",
            "blocks = [{k = 3, widths = []}]".to_owned(),
            "blocks.widths = []",
        ),
        (
            "particlenet-lite",
            "max_constituents = 0".to_owned(),
            "max_constituents = 0",
        ),
        ("nsub8", "bodies = 1".to_owned(), "bodies = 1"),
        ("nsub6", "dropout = [0.2, 1.0]".to_owned(), "dropout = 1"),
        (
            "nsub8",
            "hidden = [8]\ndropout = [0.1, 0.1]".to_owned(),
            "dropout rates = 2",
        ),
        ("cnn", "pixels = 0".to_owned(), "pixels = 0"),
        ("cnn", "pixels = 5".to_owned(), "pixels = 5"),
        ("cnn", "kernel = 0".to_owned(), "kernel = 0"),
        ("cnn", "stages = [[8, 0]]".to_owned(), "stages = [8, 0]"),
        ("cnn", format!("stages = [[{huge}]]"), "stages = "),
        ("resnext", "pixels = 2000".to_owned(), "pixels = 2000"),
        ("resnext", "groups = 5".to_owned(), "widths = 32"),
        ("resnext", "blocks = [3, 4, 6]".to_owned(), "in blocks = 3"),
        ("resnext", "widths = [0]\nblocks = [1]".to_owned(), "widths = [0]"),
        ("pcnn", "length = 0".to_owned(), "length = 0"),
        ("pcnn", "stem = 0".to_owned(), "stem = [0]"),
        ("pcnn", "stages = [8, 0]".to_owned(), "stages = [8, 0]"),
        ("pcnn", "dropout = 1.5".to_owned(), "dropout = 1.5"),
        ("part", "embed = []".to_owned(), "embed = []"),
        ("part", format!("embed = [{huge}]"), "embed = "),
        ("part", "pairs = []".to_owned(), "pairs = []"),
        ("part", "heads = 7".to_owned(), "heads = 7"),
        ("part", "heads = 0".to_owned(), "heads = 0"),
        ("part", "class_blocks = 0".to_owned(), "class_blocks = 0"),
        ("part", "blocks = 1001".to_owned(), "blocks = 1001"),
        ("part", "expansion = 0".to_owned(), "expansion = 0"),
        ("part", "dropout = 1.0".to_owned(), "dropout = 1"),
        ("part", "max_constituents = 0".to_owned(), "max_constituents = 0"),
        ("lorentznet", "channels = 0".to_owned(), "channels = [0]"),
        ("lorentznet", format!("channels = {huge}"), "channels = "),
        ("lorentznet", "blocks = 0".to_owned(), "blocks = 0"),
        ("lorentznet", "step = 0.0".to_owned(), "step = 0"),
        ("lorentznet", "step = nan".to_owned(), "step = NaN"),
        ("lorentznet", "dropout = -0.1".to_owned(), "dropout = -0.1"),
        ("lorentznet", "max_constituents = 0".to_owned(), "max_constituents = 0"),
        ("fcn", "max_constituents = 0".to_owned(), "max_constituents = 0"),
        ("fcn", "hidden = [8, 0]".to_owned(), "hidden = [8, 0]"),
        ("graphnet", "dense = []".to_owned(), "dense = []"),
        ("graphnet", "last_dropout = 1.0".to_owned(), "last_dropout = 1"),
        (
            "graphnet",
            format!("dense = [1]\ngraph = [{}]", 1 << 28),
            "graph = [268435456]",
        ),
        ("graphnet", "max_constituents = 0".to_owned(), "max_constituents = 0"),
        ("chebnet", "channels = [0]".to_owned(), "channels = [0]"),
        ("chebnet", format!("channels = [8, {huge}]"), "channels = "),
        ("gcn", "graph = []".to_owned(), "graph = []"),
        (
            "gcn",
            "embedding = {column = 7, kinds = 5, width = 3}".to_owned(),
            "embedding.column = 7",
        ),
        ("cnn1d", "max_constituents = 7".to_owned(), "max_constituents = 7"),
        ("cnn1d", "channels = [0]".to_owned(), "channels = [0]"),
        ("cnn1d", "dropout = 1.0".to_owned(), "dropout = 1"),
        ("cnn2d", "pixels = 3".to_owned(), "pixels = 3"),
        (
            "cnn2d",
            "stages = [{kernel = 0, channels = 3}]".to_owned(),
            "stages.kernel = 0",
        ),
        ("cnn2d", "hidden = [{width = 0}]".to_owned(), "hidden = [0]"),
        (
            "cnn2d",
            "hidden = [{width = 2, dropout = 1.0}]".to_owned(),
            "hidden.dropout = 1",
        ),
        ("efp", "max_degree = 8".to_owned(), "max_degree = 8"),
        ("efp", "beta = 0.0".to_owned(), "beta = 0"),
        ("efp", "tolerance = -1.0".to_owned(), "tolerance = -1"),
        ("lda", "words = {mass_floor = -1.0}".to_owned(), "mass_floor"),
        ("lda", "word_prior = 0.0".to_owned(), "word_prior = 0"),
        ("lda", "decay = 2.0".to_owned(), "decay = 2"),
        ("bdt", "trees = 0".to_owned(), "trees = 0"),
        ("bdt", "depth = 40".to_owned(), "depth = 40"),
        ("bdt", "subsample = 0.0".to_owned(), "subsample = 0"),
        ("goat", "hidden = []".to_owned(), "hidden = []"),
        ("goat", "folds = 2".to_owned(), "folds = 2"),
    ] {
        let tagger = registry::tagger(name, &toml::from_str(&settings).unwrap()).unwrap();
        let error = tagger.check().unwrap_err().to_string();
        assert!(error.contains(key), "{name}, {settings}: {error}");
        // The cheap check is no stricter than the network: these cannot be built, or have no view.
        let built = tagger.learner(&tagger.training(), &Device::flex()).is_ok();
        assert!(
            !built || tagger.view(&jets(Part::Train, 1)).is_err(),
            "{name}, {settings}"
        );
    }
}
