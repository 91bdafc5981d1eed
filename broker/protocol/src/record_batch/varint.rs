//! Zigzag varints inside records: small numbers of either sign take one byte.

/// Most bytes that an int64 takes.
const LONG_BYTES_MAX: usize = 10;

/// Bytes that `value` takes.
#[inline]
pub(super) fn size(value: i64) -> usize {
    // Seven bits per byte; zero takes one byte too.
    (64 - (zigzag(value) | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends `value`.
#[inline]
pub(super) fn write(to: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    if rest < 0x80 {
        to.push(rest as u8);
        return;
    }
    let mut bytes = [0; LONG_BYTES_MAX];
    let mut length = 0;
    for byte in &mut bytes {
        length += 1;
        if rest < 0x80 {
            *byte = rest as u8;
            break;
        }
        *byte = rest as u8 | 0x80;
        rest >>= 7;
    }
    to.extend_from_slice(&bytes[..length]);
}

/// Takes a value off the front of `from`; none if it is cut off or longer than an int64.
#[inline]
pub(super) fn read(from: &mut &[u8]) -> Option<i64> {
    let (&first, rest) = from.split_first()?;
    if first < 0x80 {
        *from = rest;
        return Some(unzigzag(u64::from(first)));
    }
    read_long(from)
}

fn read_long(from: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for (index, &byte) in from.iter().take(LONG_BYTES_MAX).enumerate() {
        if index == LONG_BYTES_MAX - 1 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *from = from.get(index + 1..)?;
            return Some(unzigzag(value));
        }
    }
    None
}

#[inline]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_back_in_the_size_foretold() {
        let mut values = vec![0, 1, -1, 63, 64, -64, -65, 300, i64::from(i32::MAX), i64::MAX, i64::MIN];
        values.extend((0..63).flat_map(|shift| [1i64 << shift, -(1i64 << shift), (1i64 << shift) - 1]));
        for value in values {
            let mut bytes = Vec::new();
            write(&mut bytes, value);
            assert_eq!(bytes.len(), size(value), "{value}");
            let mut from = bytes.as_slice();
            assert_eq!(read(&mut from), Some(value));
            assert!(from.is_empty());
            for cut in 0..bytes.len() {
                assert_eq!(read(&mut &bytes[..cut]), None);
            }
        }
    }

    #[test]
    fn endless_varints_are_refused() {
        assert_eq!(read(&mut [0xff; 20].as_slice()), None);
        assert_eq!(read(&mut [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2].as_slice()), None);
    }
}
