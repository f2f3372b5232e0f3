//! A sorted table of keys and values in the format of LevelDB, and its checksum.

use std::sync::LazyLock;

const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
const FOOTER: usize = 48;
/// Kind of compression and checksum behind each block.
const TRAILER: usize = 5;

/// A key and its value.
type Pair<'a> = (Vec<u8>, &'a [u8]);

/// All keys with their values, ascending.
pub(super) fn entries(file: &[u8]) -> Result<Vec<Pair<'_>>, String> {
    let body = file.len().checked_sub(FOOTER).ok_or("too short for a table")?;
    let mut footer = &file[body..];
    let mut magic = [0; 8];
    magic.copy_from_slice(&footer[FOOTER - 8..]);
    if u64::from_le_bytes(magic) != MAGIC {
        return Err("no table of TensorFlow: the last eight bytes are others".to_owned());
    }
    let short = "the footer is damaged";
    let metadata = handle(&mut footer).ok_or(short)?;
    let index = handle(&mut footer).ok_or(short)?;
    // Nothing in it is of use here, but a damaged file is not to be trusted.
    block(file, metadata)?;
    let mut found: Vec<Pair<'_>> = Vec::new();
    for (_, mut place) in block(file, index)? {
        let place = handle(&mut place).ok_or("the index names no place")?;
        for (key, value) in block(file, place)? {
            if found.last().is_some_and(|(last, _)| *last >= key) {
                return Err("keys are not in order".to_owned());
            }
            found.push((key, value));
        }
    }
    Ok(found)
}

/// Offset and size of a block.
fn handle(bytes: &mut &[u8]) -> Option<(usize, usize)> {
    Some((varint(bytes)?.try_into().ok()?, varint(bytes)?.try_into().ok()?))
}

/// The entries of a block whose checksum is right.
fn block(file: &[u8], (offset, size): (usize, usize)) -> Result<Vec<Pair<'_>>, String> {
    let end = offset.checked_add(size).and_then(|end| end.checked_add(TRAILER));
    let whole = end.and_then(|end| file.get(offset..end));
    let whole = whole.ok_or_else(|| format!("a block of {size} bytes at {offset} lies outside the file"))?;
    let (content, trailer) = whole.split_at(size);
    if trailer[0] != 0 {
        return Err(format!("the block at {offset} is compressed; checkpoints are not"));
    }
    let expected = u32::from_le_bytes([trailer[1], trailer[2], trailer[3], trailer[4]]);
    let sum = masked(crc32c(&whole[..=size]));
    if sum != expected {
        return Err(format!(
            "the block at {offset} has the checksum {sum:08x}, not {expected:08x}"
        ));
    }
    // Behind the entries stand the places at which keys are whole, and their number.
    let count = size.checked_sub(4).ok_or("an empty block")?;
    let restarts = u32::from_le_bytes([
        content[count],
        content[count + 1],
        content[count + 2],
        content[count + 3],
    ]);
    let places = (restarts as usize)
        .checked_mul(4)
        .and_then(|bytes| count.checked_sub(bytes));
    let mut rest = &content[..places.ok_or("a block with more restarts than bytes")?];
    let mut found: Vec<Pair<'_>> = Vec::new();
    while !rest.is_empty() {
        let entry = (|| {
            let shared = usize::try_from(varint(&mut rest)?).ok()?;
            let own = usize::try_from(varint(&mut rest)?).ok()?;
            let length = usize::try_from(varint(&mut rest)?).ok()?;
            let before = found.last().map_or(&[][..], |(key, _)| key);
            let mut key = before.get(..shared)?.to_vec();
            key.extend_from_slice(take(&mut rest, own)?);
            Some((key, take(&mut rest, length)?))
        })();
        found.push(entry.ok_or_else(|| format!("an entry of the block at {offset} is damaged"))?);
    }
    Ok(found)
}

/// The first `n` bytes, which are taken off.
pub(super) fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (first, rest) = bytes.split_at_checked(n)?;
    *bytes = rest;
    Some(first)
}

/// A number in seven bits a byte, low ones first, which is taken off.
pub(super) fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The cyclic redundancy check of Castagnoli.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    static TABLE: LazyLock<[u32; 256]> = LazyLock::new(|| {
        std::array::from_fn(|i| {
            (0..8).fold(i as u32, |c, _| match c & 1 {
                1 => (c >> 1) ^ 0x82f6_3b78,
                _ => c >> 1,
            })
        })
    });
    let table = &*TABLE;
    !bytes.iter().fold(!0u32, |crc, &byte| {
        table[((crc ^ u32::from(byte)) & 0xff) as usize] ^ (crc >> 8)
    })
}

/// How checksums are stored: one of a text with its own checksum in it would be no good.
pub(super) fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}
