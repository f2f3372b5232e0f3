//! Hostile and odd programs.

use super::*;

fn refused(pickle: &[u8]) -> String {
    tensors(pickle).unwrap_err()
}

#[test]
fn what_would_be_run_is_named_and_not_run() {
    let error = refused(b"\x80\x02cposix\nsystem\nX\x05\x00\x00\x00touch\x85R.");
    assert!(
        error.contains("posix.system") && error.contains("would be run"),
        "{error}"
    );
    let error = refused(b"\x80\x02ctorch.nn.modules.linear\nLinear\n)R.");
    assert!(error.contains("state_dict()"), "{error}");
    let error = refused(b"\x80\x02ctorch\nBFloat16Storage\n.");
    assert!(
        error.contains("torch.BFloat16Storage") && error.contains("f16"),
        "{error}"
    );
}

#[test]
fn hostile_programs_end_in_a_sentence() {
    for (pickle, words) in [
        (&b"\x80\x02"[..], "byte 2: cut off"),
        (b"", "cut off"),
        (b"\x80\x05}.", "protocol 5"),
        (b".", "nothing left"),
        (b"}u.", "an end without a beginning"),
        (b"}(K", "cut off"),
        (b"}(K\x01u.", "1 entries"),
        (b"(.", "nothing left"),
        (b"h\x05.", "no object 5"),
        (b"}q\x00", "cut off"),
        (b"X\xff\xff\xff\xffabc", "cut off"),
        (b"X\x02\x00\x00\x00\xff\xfe", "UTF-8"),
        (b"ccollections\nOrderedDict", "without an end"),
        (b"\x8a\x09", "9 bytes"),
        (b"}}R.", "a call of a dictionary"),
        (b"ccollections\nOrderedDict\nK\x01\x85R.", "other arguments"),
        (b"K\x01}b.", "attributes for a number"),
        (b"K\x01Q.", "name of a storage"),
        (b"}.", "empty state dict"),
        (b"K\x01.", "a number where a state dict"),
        (b"}K\x01K\x02s.", "name is a number"),
        (b"}X\x01\x00\x00\x00aK\x02s.", "entry a is a number"),
        (b"\x93", "0x93"),
    ] {
        let error = refused(pickle);
        assert!(error.contains(words), "{words:?} in {error:?}");
    }
}

#[test]
fn a_dictionary_that_holds_itself_is_no_trouble() {
    // d = {}; d['model'] = d
    let error = refused(b"}q\x00X\x05\x00\x00\x00modelh\x00s.");
    assert!(error.contains("entry model is a dictionary"), "{error}");
    // A million brackets would overflow a recursive reader or drop.
    let mut deep = vec![b']'; 1_000_000];
    deep.extend(vec![b'a'; 999_999]);
    deep.push(b'.');
    assert!(refused(&deep).contains("a list where"));
}

#[test]
fn integers_of_any_width_are_read() {
    for (pickle, value) in [
        (&b"\x8a\x00"[..], 0),
        (b"\x8a\x01\xff", -1),
        (b"\x8a\x02\xff\x00", 255),
        (b"\x8a\x05\x00\x00\x00\x00\x01", 1 << 32),
    ] {
        let mut cursor = Cursor::new(pickle);
        cursor.at = 1;
        assert_eq!(cursor.long().unwrap(), value);
    }
}
