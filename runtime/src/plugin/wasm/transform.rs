//! A component as a transform: calls of a bounded size, and a record that brings it down found by halving.

use async_trait::async_trait;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::record::{Batch, BatchBuilder, Bitmap};
use millstream_sdk::sink::Rejection;
use millstream_sdk::transform::{Output, Transform, Transformed};
use wasmtime::component::ResourceAny;

use super::bindings::exports::millstream::connect::transform::{self, Guest};
use super::convert;
use super::fault::{Failed, Fault, connector_error};
use super::instance::Instance;
use super::plugin::Maker;

/// How often an instance may be brought down by one batch before the batch as a whole counts as failed.
const FAULTS_PER_BATCH: usize = 32;

pub struct ComponentTransform {
    maker: Maker,
    live: Option<Live>,
}

struct Live {
    instance: Instance,
    guest: Guest,
    resource: ResourceAny,
}

impl ComponentTransform {
    pub fn new(maker: Maker) -> ComponentTransform {
        ComponentTransform { maker, live: None }
    }

    /// One call. The instance survives it only if it answers.
    async fn call(&mut self, batch: &Batch) -> Result<Transformed, Failed> {
        let mut live = match self.live.take() {
            Some(live) => live,
            None => Live::start(&self.maker).await?,
        };
        let Live { instance, guest, resource } = &mut live;
        let (guest, parameter) = (guest.transform(), convert::lower(batch));
        let answer = instance.call(async |store| guest.call_apply(store, *resource, parameter).await).await?;
        let answer = answer.map_err(|error| Failed::Error(connector_error(error)))?;
        let transformed = lift(answer, batch.len()).inspect_err(|fault| instance.stopped(fault))?;
        instance.answered();
        self.live = Some(live);
        Ok(transformed)
    }
}

impl Live {
    async fn start(maker: &Maker) -> Result<Live, Failed> {
        let mut instance = maker.instance().await?;
        let Some(indices) = &maker.loaded.exports.transform else {
            return Err(Fault::Start { reason: "it exports no transform".to_owned() }.into());
        };
        let guest = instance.load(|store, inner| indices.load(store, inner))?;
        let (roles, place) = (guest.transform(), maker.origin.place());
        let made =
            instance.call(async |store| roles.call_configure(store, &maker.config, place).await).await?;
        let resource = made.map_err(|error| Failed::Error(connector_error(error)))?;
        Ok(Live { instance, guest, resource })
    }
}

fn lift(answer: transform::Transformed, rows: usize) -> Result<Transformed, Fault> {
    let rejected = convert::lift_rejections(answer.rejected, rows)?;
    let output = match answer.output {
        transform::Output::Verdicts(bits) => Output::Verdicts(convert::lift_verdicts(bits, rows, &rejected)?),
        transform::Output::Records(records) => {
            let batch = convert::lift(records.records)?;
            convert::check_origins(&records.origins, batch.len(), rows, &rejected)?;
            Output::Records { batch: Box::new(batch), origins: records.origins }
        }
    };
    Ok(Transformed { output, rejected })
}

#[async_trait]
impl Transform for ComponentTransform {
    async fn apply(&mut self, batch: &Batch) -> Result<Transformed, ConnectorError> {
        let mut answers = Answers::default();
        let mut faults = 0;
        // Pieces still to do, the next one last.
        let mut pieces = convert::pieces(batch);
        pieces.reverse();
        while let Some((from, to)) = pieces.pop() {
            match self.call(&batch.slice(from, to)).await {
                Ok(transformed) => answers.push(transformed, from, to - from),
                Err(Failed::Error(error)) => return Err(error),
                Err(Failed::Fault(fault)) => {
                    faults += 1;
                    if !fault.may_be_the_records() || faults > FAULTS_PER_BATCH {
                        return Err(self.maker.origin.error("transforming", &fault));
                    }
                    let told = self.maker.origin.describe("transforming", &fault);
                    // Once aloud: the search for the record that is to blame says the same again and again.
                    match faults {
                        1 => tracing::warn!(rows = to - from, "{told}"),
                        _ => tracing::debug!(rows = to - from, "{told}"),
                    }
                    match to - from {
                        1 => answers.push_rejection(from, told),
                        rows => pieces.extend([(from + rows / 2, to), (from, from + rows / 2)]),
                    }
                }
            }
        }
        Ok(answers.finish(batch))
    }
}

/// The answers about the pieces of one batch, in order.
#[derive(Default)]
struct Answers {
    parts: Vec<Part>,
    rejected: Vec<Rejection>,
}

/// The answer about one piece that starts at row `from`.
struct Part {
    from: usize,
    rows: usize,
    output: Output,
}

impl Answers {
    fn push(&mut self, answer: Transformed, from: usize, rows: usize) {
        let moved =
            answer.rejected.into_iter().map(|rejection| Rejection { row: rejection.row + from, ..rejection });
        self.rejected.extend(moved);
        self.parts.push(Part { from, rows, output: answer.output });
    }

    fn push_rejection(&mut self, row: usize, reason: String) {
        self.rejected.push(Rejection { row, reason });
        self.parts.push(Part { from: row, rows: 1, output: Output::Verdicts(Bitmap::filled(1, false)) });
    }

    fn finish(mut self, batch: &Batch) -> Transformed {
        let rejected = std::mem::take(&mut self.rejected);
        let is_filter = self.parts.iter().all(|part| matches!(part.output, Output::Verdicts(_)));
        let output = match self.parts.len() {
            1 if !is_filter => self.parts.remove(0).output,
            _ if is_filter => Output::Verdicts(self.verdicts()),
            _ => self.records(batch),
        };
        Transformed { output, rejected }
    }

    fn verdicts(&self) -> Bitmap {
        let mut all = Bitmap::default();
        for part in &self.parts {
            if let Output::Verdicts(verdicts) = &part.output {
                (0..part.rows).for_each(|row| all.push(verdicts.get(row)));
            }
        }
        all
    }

    fn records(self, batch: &Batch) -> Output {
        let mut all = BatchBuilder::new();
        let mut all_origins = Vec::with_capacity(batch.len());
        for Part { from, rows, output } in self.parts {
            match output {
                Output::Records { batch, origins } => {
                    all.append(&batch);
                    all_origins.extend(origins.iter().map(|origin| origin + from as u32));
                }
                Output::Verdicts(verdicts) => {
                    all.append(&batch.slice(from, from + rows).keep(&verdicts));
                    let kept = (0..rows).filter(|row| verdicts.get(*row));
                    all_origins.extend(kept.map(|row| (from + row) as u32));
                }
            }
        }
        Output::Records { batch: Box::new(all.finish()), origins: all_origins }
    }
}
