use super::*;
use crate::split::Part as DataPart;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;

/// What the server does with one request: writes to the stream, given the start of the range.
type Answer = Box<dyn Fn(&mut TcpStream, u64) + Send>;

/// A server on localhost that gives one prepared answer a request, and the range starts it was asked for.
fn serve(answers: Vec<Answer>) -> (String, Arc<Mutex<Vec<u64>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut start = 0;
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                let line = line.unwrap_or_default().to_ascii_lowercase();
                if let Some(range) = line.strip_prefix("range: bytes=") {
                    start = range.trim_end_matches('-').parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            log.lock().unwrap().push(start);
            answer(&mut stream, start);
        }
    });
    (address, asked)
}

fn content() -> Vec<u8> {
    (0..300_000u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

fn entry() -> FileEntry {
    let md5 = hexadecimal(&Md5::digest(content()));
    FileEntry {
        name: "jets.h5",
        part: DataPart::Train,
        rows: 1,
        bytes: Some(300_000),
        md5: Some(md5.leak()),
    }
}

fn options(base: &str) -> FetchOptions {
    FetchOptions {
        base_url: Some(base.to_owned()),
        attempts: 3,
        backoff: Duration::from_millis(5),
        patience: Duration::from_secs(2),
        cancel: Arc::default(),
    }
}

/// Sends the bytes from `start` on, honoring the range, but only `most` of them.
fn partial(most: usize) -> Answer {
    Box::new(move |stream, start| {
        let body = &content()[start as usize..];
        let status = match start {
            0 => "200 OK".to_owned(),
            _ => format!("206 Partial Content\r\nContent-Range: bytes {start}-299999/300000"),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&body[..most.min(body.len())]);
    })
}

fn status(line: &'static str) -> Answer {
    Box::new(move |stream, _| {
        let _ =
            stream.write_all(format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
    })
}

/// Sends everything from the start, whatever was asked.
fn from_the_start() -> Answer {
    Box::new(|stream, _| partial(usize::MAX)(stream, 0))
}

fn run(dir: &Path, options: &FetchOptions) -> (Result<(), DataError>, Vec<String>) {
    let mut events = Vec::new();
    let url = format!("{}/jets.h5", options.base_url.clone().unwrap());
    let result = fetch_file(&entry(), &url, &dir.join("jets.h5"), options, &mut |event| {
        if !matches!(event, FetchEvent::Progress { .. }) {
            events.push(format!("{event:?}").split([' ', '{']).next().unwrap().to_owned());
        }
    });
    (result, events)
}

#[test]
fn a_cut_connection_is_taken_up_where_it_broke() {
    let dir = tempfile::tempdir().unwrap();
    let (base, asked) = serve(vec![partial(100_000), partial(50_000), partial(usize::MAX)]);
    let (result, events) = run(dir.path(), &options(&base));
    result.unwrap();
    assert_eq!(std::fs::read(dir.path().join("jets.h5")).unwrap(), content());
    assert_eq!(*asked.lock().unwrap(), [0, 100_000, 150_000]);
    assert_eq!(events, ["Retry", "Retry", "Done"]);
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        1,
        "no part file is left"
    );
    // Now it is there: no server is needed.
    assert_eq!(run(dir.path(), &options("http://127.0.0.1:1")).1, ["Present"]);
}

#[test]
fn the_next_run_goes_on_from_the_part_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("jets.h5.part"), &content()[..200_000]).unwrap();
    let (base, asked) = serve(vec![partial(usize::MAX)]);
    run(dir.path(), &options(&base)).0.unwrap();
    assert_eq!(*asked.lock().unwrap(), [200_000]);
    assert_eq!(std::fs::read(dir.path().join("jets.h5")).unwrap(), content());
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (base, _) = serve(vec![partial(100_000), from_the_start()]);
    run(dir.path(), &options(&base)).0.unwrap();
    assert_eq!(std::fs::read(dir.path().join("jets.h5")).unwrap(), content());
}

#[test]
fn a_wrong_checksum_throws_the_file_away() {
    let dir = tempfile::tempdir().unwrap();
    let (base, _) = serve(vec![Box::new(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(&vec![0; 300_000]);
    })]);
    let (result, _) = run(dir.path(), &options(&base));
    assert!(
        matches!(result, Err(DataError::Checksum { what: "md5", .. })),
        "{result:?}"
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    // A file that is too long is not even read to its end.
    let (base, _) = serve(vec![Box::new(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while stream.write_all(&[0; 4096]).is_ok() {}
    })]);
    assert!(matches!(
        run(dir.path(), &options(&base)).0,
        Err(DataError::Checksum { what: "size", .. })
    ));
}

#[test]
fn refusals_are_final_and_failures_are_tried_again_but_not_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (base, asked) = serve(vec![status("404 Not Found")]);
    assert!(matches!(
        run(dir.path(), &options(&base)).0,
        Err(DataError::Status { status: 404, .. })
    ));
    assert_eq!(asked.lock().unwrap().len(), 1);
    let (base, _) = serve(vec![status("503 Service Unavailable"), partial(usize::MAX)]);
    assert_eq!(run(dir.path(), &options(&base)).1, ["Retry", "Done"]);
    std::fs::remove_file(dir.path().join("jets.h5")).unwrap();
    let (base, asked) = serve((0..9).map(|_| status("503 Service Unavailable")).collect());
    let (result, _) = run(dir.path(), &options(&base));
    assert!(
        matches!(result, Err(DataError::Network { attempts: 3, .. })),
        "{result:?}"
    );
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[test]
fn cancelling_keeps_what_has_arrived() {
    let dir = tempfile::tempdir().unwrap();
    let (base, _) = serve(vec![partial(usize::MAX)]);
    let options = options(&base);
    let url = format!("{base}/jets.h5");
    let result = fetch_file(&entry(), &url, &dir.path().join("jets.h5"), &options, &mut |event| {
        if let FetchEvent::Progress { received, .. } = event {
            options.cancel.store(received > 1000, Ordering::Relaxed);
        }
    });
    assert!(matches!(result, Err(DataError::Cancelled)), "{result:?}");
    assert!(std::fs::metadata(dir.path().join("jets.h5.part")).unwrap().len() > 1000);
}

#[test]
fn a_data_set_arrives_whole_in_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (base, _) = serve(vec![partial(usize::MAX)]);
    let files: &'static [FileEntry] = vec![entry()].leak();
    let data = CatalogueEntry {
        files,
        base_url: Some("http://127.0.0.1:1"),
        ..*crate::catalogue::find("top-tagging").unwrap()
    };
    let paths = fetch(&data, &dir.path().join("new"), &options(&base), &mut |_| {}).unwrap();
    assert_eq!(paths, [dir.path().join("new/jets.h5")]);
    // The sample lies in the program; there is nothing to fetch.
    assert!(
        fetch(
            crate::catalogue::find("sample").unwrap(),
            dir.path(),
            &options(&base),
            &mut |_| {}
        )
        .unwrap()
        .is_empty()
    );
}

#[test]
fn a_file_of_unknown_size_is_as_long_as_the_server_says() {
    let file = FileEntry {
        bytes: None,
        md5: None,
        ..entry()
    };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jets.h5");
    let get = |base: &str| {
        let mut totals = Vec::new();
        let result = fetch_file(&file, &format!("{base}/jets.h5"), &path, &options(base), &mut |event| {
            if let FetchEvent::Progress { total, .. } = event {
                totals.push(total);
            }
        });
        result.map(|()| totals)
    };
    let (base, asked) = serve(vec![partial(100_000), partial(usize::MAX)]);
    assert!(get(&base).unwrap().iter().all(|&total| total == 300_000));
    assert_eq!(*asked.lock().unwrap(), [0, 100_000]);
    assert_eq!(std::fs::read(&path).unwrap(), content());
    // It has its name, so it is whole.
    assert_eq!(get("http://127.0.0.1:1").unwrap(), Vec::<u64>::new());
    // A part of an earlier attempt goes on, and the server's length is that of the rest.
    std::fs::rename(&path, dir.path().join("jets.h5.part")).unwrap();
    let part = std::fs::OpenOptions::new()
        .write(true)
        .open(dir.path().join("jets.h5.part"))
        .unwrap();
    part.set_len(250_000).unwrap();
    let (base, asked) = serve(vec![partial(usize::MAX)]);
    get(&base).unwrap();
    assert_eq!(*asked.lock().unwrap(), [250_000]);
    assert_eq!(std::fs::read(&path).unwrap(), content());
}

#[test]
fn single_files_of_a_data_set_are_fetched_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let entry = crate::catalogue::find("hepmass").unwrap();
    let (base, asked) = serve(vec![partial(usize::MAX)]);
    let wanted = ["all_test.csv.gz".to_owned()];
    let paths = fetch_only(entry, &wanted, dir.path(), &options(&base), &mut |_| {}).unwrap();
    assert_eq!(paths, [dir.path().join("all_test.csv.gz")]);
    assert_eq!(asked.lock().unwrap().len(), 1);
    let unknown = fetch_only(entry, &["all.csv".to_owned()], dir.path(), &options(&base), &mut |_| {});
    let message = unknown.unwrap_err().to_string();
    assert!(
        message.contains("all.csv") && message.contains("not1000_train.csv.gz"),
        "{message}"
    );
}
