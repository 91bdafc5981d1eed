//! What a round brought that was late, as the records it came in: each once, whether it was late for one window or for several
//! on different workers.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat};

use super::encode::OutputRows;
use super::original::{self, partition};
use super::worker::Written;
use crate::plan::QueryPlan;

/// A record in the form of [`original`], and the watermark it was behind.
#[derive(Debug)]
pub(crate) struct LateRecord {
    pub record: Vec<u8>,
    pub watermark_us: Option<i64>,
}

/// The records for the topic of late rows, in the order they were found.
pub(crate) fn written(found: Vec<LateRecord>, plan: &QueryPlan, output: usize) -> Vec<Written> {
    let mut known = BTreeSet::new();
    let mut written: Vec<Written> = Vec::new();
    for late in found {
        if known.contains(&late.record) {
            continue;
        }
        let told = late.watermark_us.and_then(|watermark_us| {
            let at = DateTime::from_timestamp_micros(watermark_us)?;
            Some(("watermark", at.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
        });
        let context = [("pipeline", plan.pipeline.clone()), ("query", plan.name.clone())];
        let keyless = partition(&late.record);
        if written.last().is_none_or(|last| last.keyless != keyless) {
            written.push(Written { output, keyless, rows: OutputRows::default() });
        }
        if let Some(last) = written.last_mut() {
            original::push(&late.record, original::LATE, context.into_iter().chain(told), &mut last.rows);
        }
        known.insert(late.record);
    }
    written
}
