//! Reading whole batches from a partition's segments, and finding offsets by time. Runs without the partition's lock,
//! over segments and limits taken under it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use millstream_protocol::record_batch::{BatchHeader, HEADER_BYTES};

use super::buffer::BufferPool;
use super::disk::{Attempt, DiskFile};
use super::file_range::FileRange;
use super::scan::Step;
use super::segment::{LOG, Located, Segment, SegmentError, reaches};

/// Most bytes of one read, unless a single batch is larger; a wish for more is met by the next read.
pub const READ_LIMIT_BYTES: usize = 16 << 20;

/// Fewer bytes than these are read at once.
const DEFERRED_MIN_BYTES: usize = 256 << 10;
/// Batches below this size on average are read at once: looking at each header would cost more than it saves.
const DEFERRED_BATCH_BYTES: usize = 8 << 10;

/// What to read.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest {
    pub offset: i64,
    /// Batches from here on are not visible.
    pub visible_end: i64,
    pub max_bytes: usize,
    /// Return the first batch even if it alone exceeds `max_bytes` (KIP-74).
    pub at_least_one: bool,
    /// Whether large answers may be a range of the file instead of its bytes.
    pub may_defer: bool,
}

/// Whole batches of one segment.
#[derive(Debug, Clone)]
pub struct ReadBatches {
    pub records: Bytes,
    /// The records, found and not read: then `records` is empty.
    pub deferred: Option<FileRange>,
    /// Offset behind the last batch; the asked offset when there is none.
    pub next_offset: i64,
    /// Where that offset's batch lies.
    pub end: Option<ReadHint>,
}

/// A known place: the batch that starts with `offset` begins at `position` of this segment's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadHint {
    pub offset: i64,
    pub segment: u64,
    pub position: u64,
}

/// Reads from the first of `segments` that holds anything at or behind the asked offset.
pub fn read(
    segments: &[Arc<Segment>],
    request: ReadRequest,
    hint: Option<ReadHint>,
    pool: &BufferPool,
) -> Result<ReadBatches, SegmentError> {
    let nothing =
        ReadBatches { records: Bytes::new(), deferred: None, next_offset: request.offset, end: None };
    if request.offset >= request.visible_end || (request.max_bytes == 0 && !request.at_least_one) {
        return Ok(nothing);
    }
    for segment in segments {
        let known = hint.filter(|hint| {
            hint.offset == request.offset
                && hint.segment == segment.identity()
                && hint.position < segment.size_bytes()
        });
        // A truncation may have moved what the hint points at: then it is no batch, or not this one.
        if let Some(hint) = known
            && let Ok((batches, Some(first_offset))) = read_from(segment, hint.position, request, pool)
            && first_offset == request.offset
        {
            return Ok(batches);
        }
        if let Some(located) = segment.locate(request.offset)? {
            return read_from(segment, located.position, request, pool).map(|(batches, _)| batches);
        }
    }
    Ok(nothing)
}

/// Reads from a batch's position on. Also tells the base offset of the batch found there.
fn read_from(
    segment: &Arc<Segment>,
    position: u64,
    request: ReadRequest,
    pool: &BufferPool,
) -> Result<(ReadBatches, Option<i64>), SegmentError> {
    let file = segment.log_file()?;
    let available = usize::try_from(segment.size_bytes() - position).unwrap_or(usize::MAX);
    let mut wanted = request.max_bytes.clamp(HEADER_BYTES, READ_LIMIT_BYTES).min(available);
    if request.may_defer
        && wanted >= DEFERRED_MIN_BYTES
        && let Some(whole) = walk(&*file, position, wanted, request).attempt("read", &segment.path(LOG))?
    {
        let range = FileRange::new(file, position, whole.size_bytes, pool.clone());
        let first_offset = whole.first_offset;
        return Ok((whole.found(segment, position, Bytes::new(), Some(range)), first_offset));
    }
    loop {
        let mut buffer = pool.take(wanted);
        let target = &mut buffer.as_mut_slice()[..wanted];
        let filled = file.read_at(target, position).attempt("read", &segment.path(LOG))?;
        let whole = whole_batches(&target[..filled], request)
            .map_err(|(at, reason)| segment.broken(position + at as u64, reason))?;
        if whole.size_bytes == 0 && request.at_least_one && whole.first_bytes > wanted {
            if whole.first_bytes > available {
                return Err(
                    segment.broken(position, format!("batch of {} bytes is cut off", whole.first_bytes))
                );
            }
            wanted = whole.first_bytes;
            continue;
        }
        let records = if whole.size_bytes == 0 { Bytes::new() } else { buffer.freeze(whole.size_bytes) };
        let first_offset = whole.first_offset;
        return Ok((whole.found(segment, position, records, None), first_offset));
    }
}

struct Whole {
    size_bytes: usize,
    next_offset: i64,
    first_bytes: usize,
    first_offset: Option<i64>,
}

impl Whole {
    fn found(
        self,
        segment: &Segment,
        position: u64,
        records: Bytes,
        deferred: Option<FileRange>,
    ) -> ReadBatches {
        let end = ReadHint {
            offset: self.next_offset,
            segment: segment.identity(),
            position: position + self.size_bytes as u64,
        };
        let end = (self.size_bytes > 0).then_some(end);
        ReadBatches { records, deferred, next_offset: self.next_offset, end }
    }
}

/// What [`whole_batches`] would say of `[position, position + wanted)`, from the headers alone. `None` where reading
/// all of it is the better way: small batches, little to send, or something wrong that the other way reports.
fn walk(
    file: &dyn DiskFile,
    position: u64,
    wanted: usize,
    request: ReadRequest,
) -> io::Result<Option<Whole>> {
    let mut whole = Whole { size_bytes: 0, next_offset: request.offset, first_bytes: 0, first_offset: None };
    let mut header = [0; HEADER_BYTES];
    let mut batches = 0;
    while wanted - whole.size_bytes >= HEADER_BYTES {
        if file.read_at(&mut header, position + whole.size_bytes as u64)? < HEADER_BYTES {
            return Ok(None);
        }
        let Ok(batch) = BatchHeader::parse(&header) else { return Ok(None) };
        let size = batch.size_bytes();
        if batch.base_offset >= request.visible_end || size > wanted - whole.size_bytes {
            break;
        }
        whole.first_offset = whole.first_offset.or(Some(batch.base_offset));
        whole.size_bytes += size;
        whole.next_offset = batch.last_offset() + 1;
        batches += 1;
        if whole.size_bytes < batches * DEFERRED_BATCH_BYTES {
            return Ok(None);
        }
    }
    Ok(Some(whole).filter(|whole| whole.size_bytes >= DEFERRED_MIN_BYTES))
}

/// How much of `bytes` is whole, visible batches.
fn whole_batches(bytes: &[u8], request: ReadRequest) -> Result<Whole, (usize, String)> {
    let mut whole = Whole { size_bytes: 0, next_offset: request.offset, first_bytes: 0, first_offset: None };
    while let Some(rest) = bytes.get(whole.size_bytes..).filter(|rest| rest.len() >= HEADER_BYTES) {
        let batch = BatchHeader::parse(rest).map_err(|fault| (whole.size_bytes, fault.to_string()))?;
        if batch.base_offset >= request.visible_end {
            break;
        }
        if whole.size_bytes == 0 {
            whole.first_bytes = batch.size_bytes();
            whole.first_offset = Some(batch.base_offset);
        }
        let is_forced = whole.size_bytes == 0 && request.at_least_one;
        let is_allowed = is_forced || whole.size_bytes + batch.size_bytes() <= request.max_bytes;
        if batch.size_bytes() > rest.len() || !is_allowed {
            break;
        }
        whole.size_bytes += batch.size_bytes();
        whole.next_offset = batch.last_offset() + 1;
    }
    Ok(whole)
}

/// The first batch with a record at or after `timestamp`, ignoring what lies before `log_start_offset`.
pub fn find_time(
    segments: &[Arc<Segment>],
    timestamp: i64,
    log_start_offset: i64,
) -> Result<Option<(Arc<Segment>, Located)>, SegmentError> {
    for segment in segments {
        if segment.size_bytes() == 0 || segment.newest_timestamp()? < timestamp {
            continue;
        }
        let Some(mut located) = segment.locate_time(timestamp)? else { continue };
        if located.batch.last_offset() < log_start_offset {
            // Found in the part that DeleteRecords took away: look on from the log's start.
            let Some(from) = segment.locate(log_start_offset)? else { continue };
            match first_from(segment, from.position, timestamp)? {
                Some(later) => located = later,
                None => continue,
            }
        }
        return Ok(Some((segment.clone(), located)));
    }
    Ok(None)
}

fn first_from(segment: &Segment, position: u64, timestamp: i64) -> Result<Option<Located>, SegmentError> {
    let mut scan = segment.scan(position)?;
    loop {
        let position = scan.position();
        match scan.step().attempt("read", &segment.path(LOG))? {
            Step::Batch(batch) if reaches(&batch, timestamp) => {
                return Ok(Some(Located { position, batch }));
            }
            Step::Batch(_) => {}
            Step::End => return Ok(None),
            Step::Broken(reason) => return Err(segment.broken(position, reason)),
        }
    }
}

/// The bytes of one located batch.
pub fn read_located(segment: &Segment, located: Located, pool: &BufferPool) -> Result<Bytes, SegmentError> {
    let size = located.batch.size_bytes();
    let mut buffer = pool.take(size);
    let file = segment.log_file()?;
    let filled = file
        .read_at(&mut buffer.as_mut_slice()[..size], located.position)
        .attempt("read", &segment.path(LOG))?;
    if filled < size {
        return Err(segment.broken(located.position, format!("batch of {size} bytes is cut off")));
    }
    Ok(buffer.freeze(size))
}
