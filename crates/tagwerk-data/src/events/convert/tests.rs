use super::*;
use crate::events::Events;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::slice::from_ref;

/// HEPMASS as it is shipped: comment sign, all digits, the lowest mass off by a rounding.
fn hepmass(rows: usize) -> String {
    let mut text = "# label,f0,f1,mass\n".to_owned();
    for i in 0..rows {
        let mass = [499.999_97, 750.0, 1000.0, 1250.0, 1500.0][i / 2 % 5];
        let (a, b) = ((i as f64 * 0.618).fract() - 0.5, (i as f64 * 0.387).fract() * 1e-3);
        text += &format!("{:.18e},{a:.18e},{b:.18e},{mass:.18e}\n", (i % 2) as f64);
    }
    text
}

fn packed(path: &Path, text: &str) -> PathBuf {
    let mut file = GzEncoder::new(std::fs::File::create(path).unwrap(), Compression::fast());
    file.write_all(text.as_bytes()).unwrap();
    file.finish().unwrap();
    path.to_owned()
}

fn convert(inputs: &[PathBuf], out: &Path, recipe: Option<Recipe>) -> Result<ConvertedEvents, DataError> {
    let options = ConvertEventsOptions {
        recipe,
        ..ConvertEventsOptions::default()
    };
    convert_events(inputs, out, &options, &mut |_, _| true)
}

fn read(paths: &[PathBuf]) -> Events {
    let sources: Vec<_> = paths.iter().map(|path| open(path).unwrap()).collect();
    let sources: Vec<&dyn Source> = sources.iter().map(|s| &**s).collect();
    Events::read(&sources, &EventColumns::default(), None, 0, 1 << 30).unwrap()
}

#[test]
fn a_converted_file_holds_the_events_that_the_text_holds_to_the_last_bit() {
    let dir = tempfile::tempdir().unwrap();
    // More than one block of text.
    let text = hepmass(30_000);
    assert!(text.len() > 2 << 20);
    let csv = packed(&dir.path().join("all.csv.gz"), &text);
    let out = dir.path().join("all.parquet");
    let mut last = (0, 0);
    let options = ConvertEventsOptions::default();
    let told = convert_events(from_ref(&csv), &out, &options, &mut |done, total| {
        assert!(done >= last.0 && done <= total);
        last = (done, total);
        true
    })
    .unwrap();
    assert_eq!((told.events, told.background, told.left_out), (30_000, 15_000, 0));
    assert_eq!(
        told.signal[0],
        PointCount {
            mass: Some(500.0),
            events: 3000
        }
    );
    // The reader of CSV is another program; both read the same numbers.
    assert_eq!(read(from_ref(&out)), read(&[csv]));
    assert!(last.1 > 0);
    assert!(holds_events(&out, &EventColumns::default()).unwrap());
    // Converted again it stays what it is.
    let again = dir.path().join("again.parquet");
    convert(from_ref(&out), &again, None).unwrap();
    assert_eq!(read(&[out]), read(&[again]));
}

#[test]
fn files_of_a_zip_archive_are_joined_and_what_one_lacks_is_filled() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hepmass-imb.zip");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let stored = zip::write::SimpleFileOptions::default();
    for (name, text) in [
        (
            "imbalanced_background.csv",
            "type,f0,f1,mass,name,weight\n0,1,2,750,background,1\n0,3,4,500,background,0.5\n",
        ),
        ("__MACOSX/._imbalanced_signal.csv", "not,a,table"),
        (
            "imbalanced_signal.csv",
            "type,f0,f1,mass,weight\r\n1,5,6,499.99997,1\r\n",
        ),
    ] {
        archive.start_file(name, stored).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap();
    let out = dir.path().join("imb.parquet");
    assert!(holds_events(&path, &EventColumns::default()).unwrap());
    let told = convert(&[path], &out, None).unwrap();
    assert_eq!((told.events, told.background, told.signal.len()), (3, 2, 1));
    let events = read(&[out]);
    assert_eq!(events.features, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(events.weights, Some(vec![1.0, 0.5, 1.0]));
    assert_eq!(
        (events.process_names, events.parameters[2]),
        (vec!["background".to_owned(), String::new()], 500.0)
    );
}

#[test]
fn the_recipe_keeps_all_background_and_the_shares_of_signal() {
    let dir = tempfile::tempdir().unwrap();
    let csv = packed(&dir.path().join("all.csv.gz"), &hepmass(20_000));
    let whole = dir.path().join("all.parquet");
    convert(from_ref(&csv), &whole, None).unwrap();
    let out = |name: &str| dir.path().join(name);
    let told = convert(&[csv], &out("a.parquet"), Some(Recipe::HepmassImb)).unwrap();
    // 2000 signal events a mass: 50, 20, 5, 1 and 0.3 %.
    let kept: Vec<u64> = told.signal.iter().map(|point| point.events).collect();
    assert_eq!(kept, [1000, 400, 100, 20, 6]);
    assert_eq!((told.background, told.left_out), (10_000, 20_000 - 11_526));
    // From text or from Parquet, the same events.
    convert(from_ref(&whole), &out("b.parquet"), Some(Recipe::HepmassImb)).unwrap();
    assert_eq!(read(&[out("a.parquet")]), read(&[out("b.parquet")]));
    let other = ConvertEventsOptions {
        recipe: Some(Recipe::HepmassImb),
        seed: 1,
        ..ConvertEventsOptions::default()
    };
    convert_events(&[whole], &out("c.parquet"), &other, &mut |_, _| true).unwrap();
    assert_ne!(
        read(&[out("a.parquet")]),
        read(&[out("c.parquet")]),
        "another seed, other events"
    );
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.parquet");
    let error = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = convert(&[path], &out, None).unwrap_err().to_string();
        assert!(!out.exists());
        error
    };
    let message = error("a.csv", "label,f0,mass\n1,2,500\n1,nan,500\n");
    assert!(message.contains("row 1, column `f0`: `nan`"), "{message}");
    assert!(error("b.csv", "label,f0,mass\n2,2,500\n").contains("0 (background) and 1 (signal)"));
    let message = error("c.csv", "label,f0,mass\n1,2,500\n1,2\n");
    assert!(message.contains("row 1 has 2 fields"), "{message}");
    assert!(error("d.csv", "").contains("no row"));
    assert!(error("e.csv", "a,b\n1,2\n").contains("label"));
    // Half of a gzip file.
    let path = packed(&dir.path().join("cut.csv.gz"), &hepmass(3000));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(
        convert(&[path], &out, None)
            .unwrap_err()
            .to_string()
            .contains("cut.csv.gz")
    );
    // Stopped by whoever watches.
    let path = packed(&dir.path().join("whole.csv.gz"), &hepmass(3000));
    let options = ConvertEventsOptions::default();
    let stopped = convert_events(&[path], &out, &options, &mut |_, _| false);
    assert!(matches!(stopped, Err(DataError::Cancelled)) && !out.exists());
}
