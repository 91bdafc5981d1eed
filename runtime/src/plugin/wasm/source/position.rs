//! A component's position as it is stored: as it is, or with the state that is committed with it.
//!
//! Version 1: `1`, the position's length as 4 big-endian bytes, the position, then per value the lengths of key and
//! value (4 bytes each) and both. Version 0: `0` and the position. Stored for years: older versions stay readable.

use std::collections::BTreeMap;

const PLAIN: u8 = b'0';
const WITH_STATE: u8 = b'1';

pub type State = BTreeMap<String, Vec<u8>>;

pub fn encode(position: &[u8], state: Option<&State>) -> Vec<u8> {
    let Some(state) = state.filter(|state| !state.is_empty()) else { return [&[PLAIN], position].concat() };
    let mut stored = vec![WITH_STATE];
    put(&mut stored, position);
    for (key, value) in state {
        put(&mut stored, key.as_bytes());
        put(&mut stored, value);
    }
    stored
}

/// Both parts are bounded far below 4 GiB where they come in.
fn put(stored: &mut Vec<u8>, part: &[u8]) {
    stored.extend_from_slice(&(part.len() as u32).to_be_bytes());
    stored.extend_from_slice(part);
}

pub fn decode(stored: &[u8]) -> Result<(Vec<u8>, State), String> {
    match stored.split_first() {
        Some((&PLAIN, position)) => Ok((position.to_vec(), State::new())),
        Some((&WITH_STATE, rest)) => {
            with_state(rest).ok_or_else(|| "the stored position is cut short".to_owned())
        }
        _ => Err("the stored position is of another kind of source".to_owned()),
    }
}

fn with_state(mut rest: &[u8]) -> Option<(Vec<u8>, State)> {
    let position = take(&mut rest)?.to_vec();
    let mut state = State::new();
    while !rest.is_empty() {
        let key = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
        state.insert(key, take(&mut rest)?.to_vec());
    }
    Some((position, state))
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind) = rest.split_first_chunk::<4>()?;
    let (part, behind) = behind.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *rest = behind;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_with_their_state() {
        let state = State::from([("a".to_owned(), vec![1, 2]), (String::new(), Vec::new())]);
        for (position, state) in [(&b"7"[..], State::new()), (b"", State::new()), (b"\x001", state)] {
            let stored = encode(position, Some(&state));
            assert_eq!(decode(&stored), Ok((position.to_vec(), state)));
        }
        assert_eq!(encode(b"7", None), b"07");
    }

    #[test]
    fn what_is_cut_short_or_foreign_is_refused() {
        let state = State::from([("key".to_owned(), vec![1, 2])]);
        let stored = encode(b"position", Some(&state));
        let whole = [stored.len(), 1 + 4 + 8];
        for end in (1..stored.len()).filter(|end| !whole.contains(end)) {
            assert!(decode(&stored[..end]).is_err(), "cut at {end}");
        }
        assert!(decode(b"").is_err());
        assert!(decode(b"{\"file\":1}").is_err());
    }
}
