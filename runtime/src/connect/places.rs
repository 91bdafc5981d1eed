//! Where the rows of the open transaction were written: runs of rows at runs of offsets.

use millstream_client::{Delivery, ProduceError};
use millstream_sdk::source::Placed;

/// Rows are counted over all batches since the last commit. A row that steps moved behind a later one is left out, and so
/// is what a step added to a row: whoever looks a row up finds the place before it.
#[derive(Default)]
pub struct Places {
    /// Rows of the batches before the current one.
    before: u64,
    /// The input row of each row of the current batch; `None` when they are the same.
    origins: Option<Vec<u32>>,
    spans: Vec<Span>,
}

struct Span {
    row: u64,
    count: u64,
    first: Delivery,
    last: Delivery,
}

impl Places {
    /// The next batch is about to be produced.
    pub fn begin(&mut self, origins: Option<Vec<u32>>) {
        self.origins = origins;
    }

    /// All of it was.
    pub fn end(&mut self, rows: usize) {
        self.before += rows as u64;
        self.origins = None;
    }

    /// Row `index` of the batch, as steps left it, is on its way.
    pub fn note(&mut self, index: usize, delivery: Delivery) {
        let index = match &self.origins {
            None => index as u64,
            Some(origins) => match origins.get(index) {
                Some(origin) => u64::from(*origin),
                None => return,
            },
        };
        let row = self.before + index;
        match self.spans.last_mut() {
            Some(span) if row < span.row + span.count => {}
            Some(span) if row == span.row + span.count && delivery.follows(&span.last) => {
                span.count += 1;
                span.last = delivery;
            }
            _ => self.spans.push(Span { row, count: 1, first: delivery.clone(), last: delivery }),
        }
    }

    /// Waits for the offsets. Records must be flushed before.
    pub async fn settle(&mut self) -> Result<Vec<Placed>, ProduceError> {
        let mut placed = Vec::with_capacity(self.spans.len());
        for span in std::mem::take(&mut self.spans) {
            let written = span.first.wait().await?;
            // A batch that was sent twice may have an offset that nobody tells.
            if written.offset >= 0 {
                placed.push(Placed {
                    row: span.row,
                    count: span.count,
                    topic: written.place.topic,
                    partition: written.place.partition,
                    offset: written.offset,
                });
            }
        }
        self.before = 0;
        Ok(placed)
    }
}
