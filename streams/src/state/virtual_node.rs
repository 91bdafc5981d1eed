//! Which of 128 virtual nodes a key belongs to. Workers own whole virtual nodes, and keys of state begin with theirs, so
//! that a query goes on with more or fewer workers by handing virtual nodes over.
//!
//! What a key hashes to is stored state: it never changes.

use datafusion::arrow::array::ArrayRef;

use super::encoding::{DecodeError, StoredColumn};

/// How many there are; fixed for all time.
pub(crate) const VIRTUAL_NODES: u8 = 128;

/// The virtual node of each row's key. Without key columns all rows belong to the first.
pub(crate) fn virtual_nodes(key: &[ArrayRef], rows: usize) -> Result<Vec<u8>, DecodeError> {
    let mut hashes = vec![0u64; if key.is_empty() { 0 } else { rows }];
    for column in key {
        StoredColumn::new(column)?.hash(&mut hashes);
    }
    if key.is_empty() {
        return Ok(vec![0; rows]);
    }
    Ok(hashes.into_iter().map(|hash| (mixed(hash) >> 57) as u8).collect())
}

/// The worker that owns a virtual node.
pub(crate) fn owner(virtual_node: u8, workers: usize) -> usize {
    usize::from(virtual_node % VIRTUAL_NODES) * workers / usize::from(VIRTUAL_NODES)
}

/// Spreads every bit over all (the finisher of SplitMix64).
pub(super) fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Int32Array, Int64Array, StringArray, StringViewArray};

    use super::*;

    #[test]
    fn a_key_has_the_same_virtual_node_for_ever() {
        let text: ArrayRef = Arc::new(StringArray::from(vec![Some("ak"), Some("us"), Some(""), None]));
        let number: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(-1), None]));
        assert_eq!(virtual_nodes(std::slice::from_ref(&text), 4).unwrap(), TEXT);
        assert_eq!(virtual_nodes(std::slice::from_ref(&number), 4).unwrap(), NUMBER);
        assert_eq!(virtual_nodes(&[text, number], 4).unwrap(), BOTH);
        assert_eq!(virtual_nodes(&[], 2).unwrap(), [0, 0]);
    }

    const TEXT: [u8; 4] = [102, 35, 68, 36];
    const NUMBER: [u8; 4] = [61, 41, 37, 36];
    const BOTH: [u8; 4] = [88, 24, 90, 50];

    #[test]
    fn a_value_has_one_virtual_node_whatever_holds_it() {
        let plain: ArrayRef = Arc::new(StringArray::from(vec!["a text that does not fit into a view"]));
        let view: ArrayRef = Arc::new(StringViewArray::from(vec!["a text that does not fit into a view"]));
        assert_eq!(virtual_nodes(&[plain], 1).unwrap(), virtual_nodes(&[view], 1).unwrap());
        let narrow: ArrayRef = Arc::new(Int32Array::from(vec![-7]));
        let wide: ArrayRef = Arc::new(Int64Array::from(vec![-7]));
        assert_eq!(virtual_nodes(&[narrow], 1).unwrap(), virtual_nodes(&[wide], 1).unwrap());
    }

    #[test]
    fn workers_share_the_virtual_nodes_evenly_and_keys_spread() {
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values(0..12_800));
        let mut counts = [0; 3];
        for node in virtual_nodes(&[keys], 12_800).unwrap() {
            counts[owner(node, 3)] += 1;
        }
        assert!(counts.iter().all(|count| (3_900..4_700).contains(count)), "{counts:?}");
        assert!((0..VIRTUAL_NODES).all(|node| owner(node, 1) == 0 && owner(node, 128) == usize::from(node)));
    }
}
