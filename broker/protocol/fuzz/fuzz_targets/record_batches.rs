//! Record batches from either side: walked, checked, decompressed under a limit, read to the end.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use millstream_protocol::record_batch::batches;

/// Decompressed bytes allowed per batch.
const LIMIT_BYTES: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    for batch in batches(Bytes::copy_from_slice(data)).flatten() {
        // The fuzzer cannot guess checksums, so a wrong one does not end the walk.
        let _is_intact = batch.verify_crc().is_ok();
        let Ok(records) = batch.records(LIMIT_BYTES) else { continue };
        let is_valid = records.validate().is_ok();
        let mut count = 0;
        for record in records.iter().flatten() {
            count += 1;
            record.headers.for_each(drop);
        }
        assert!(!is_valid || count == batch.header().record_count, "a valid batch has all its records");
    }
});
