//! A component as a source: one instance lists the splits, and each open split has one of its own.

mod position;

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use millstream_sdk::error::ConnectorError;
use millstream_sdk::source::{PollLimits, Polled, Position, Source, SourceReader, Split};
use tokio::sync::Mutex;
use wasmtime::component::ResourceAny;

use super::bindings::exports::millstream::connect::source::{self, Guest};
use super::convert;
use super::fault::{Failed, Fault, connector_error};
use super::instance::{Instance, aside};
use super::plugin::Maker;

/// Most splits of one source.
const SPLITS_MAX: usize = 100_000;

/// Longest id of a split; positions are stored under it.
const SPLIT_ID_BYTES_MAX: usize = 512;

/// Longest position.
const POSITION_BYTES_MAX: usize = 64 << 10;

pub struct ComponentSource {
    maker: Maker,
    is_bounded: bool,
    /// Lists the splits; gone after a fault, until the next listing.
    lister: Mutex<Option<Live>>,
}

/// An instance with the configured source in it.
struct Live {
    instance: Instance,
    guest: Guest,
    source: ResourceAny,
}

impl Live {
    async fn start(maker: &Maker) -> Result<Live, Failed> {
        let mut instance = maker.instance().await?;
        let Some(indices) = &maker.loaded.exports.source else {
            return Err(Fault::Start { reason: "it exports no source".to_owned() }.into());
        };
        let guest = instance.load(|store, inner| indices.load(store, inner))?;
        let (role, place) = (guest.source(), maker.origin.place());
        let made =
            instance.call(async |store| role.call_configure(store, &maker.config, place).await).await?;
        let source = made.map_err(|error| Failed::Error(connector_error(error)))?;
        Ok(Live { instance, guest, source })
    }

    async fn splits(&mut self) -> Result<Vec<Split>, Failed> {
        let (role, source) = (self.guest.source(), self.source);
        let found = self.instance.call(async |store| role.call_splits(store, source).await).await?;
        let found = found.map_err(|error| Failed::Error(connector_error(error)))?;
        if found.len() > SPLITS_MAX {
            return Err(Fault::answer(format!("{} splits, the most is {SPLITS_MAX}", found.len())).into());
        }
        let mut ids = HashSet::new();
        for split in &found {
            if split.id.is_empty() || split.id.len() > SPLIT_ID_BYTES_MAX {
                let reason =
                    format!("a split's id has 1 to {SPLIT_ID_BYTES_MAX} bytes, not {}", split.id.len());
                return Err(Fault::answer(reason).into());
            }
            if !ids.insert(split.id.as_str()) {
                return Err(Fault::answer(format!("two splits have the id {:?}", split.id)).into());
            }
        }
        Ok(found.into_iter().map(|split| Split { id: split.id, label: split.label }).collect())
    }
}

impl ComponentSource {
    /// Configures an instance, which knows whether the source ends.
    pub fn new(maker: Maker) -> Result<ComponentSource, ConnectorError> {
        let at_once = maker.at_once();
        let configure = async {
            let Live { mut instance, guest, source } = Live::start(&at_once).await?;
            let role = guest.source();
            Ok(instance.call(async |store| role.call_is_bounded(store, source).await).await?)
        };
        let failed = |failed: Failed| failed.into_error(&maker.origin, "configuring");
        let configured = aside(configure).unwrap_or_else(|reason| Err(Fault::Start { reason }.into()));
        // Its instance ends with the runtime that it ran on: what it may have opened belongs there.
        let is_bounded = configured.map_err(failed)?;
        Ok(ComponentSource { maker, is_bounded, lister: Mutex::new(None) })
    }
}

#[async_trait]
impl Source for ComponentSource {
    fn is_bounded(&self) -> bool {
        self.is_bounded
    }

    async fn splits(&self) -> Result<Vec<Split>, ConnectorError> {
        let mut lister = self.lister.lock().await;
        let list = async {
            let mut live = match lister.take() {
                Some(live) => live,
                None => Live::start(&self.maker).await?,
            };
            let splits = live.splits().await?;
            *lister = Some(live);
            Ok(splits)
        };
        list.await.map_err(|failed: Failed| failed.into_error(&self.maker.origin, "listing splits"))
    }

    async fn open(
        &self,
        split: &Split,
        position: Option<Position>,
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let mut reader = ComponentReader {
            maker: self.maker.clone(),
            is_bounded: self.is_bounded,
            split: split.clone(),
            position,
            live: None,
        };
        // Now, not at the first poll: whoever opens wants to know that it works.
        let opened = reader.start().await;
        let opened = opened.map_err(|failed| failed.into_error(&reader.maker.origin, "opening"))?;
        reader.live = Some(opened);
        Ok(Box::new(reader))
    }
}

/// An open split.
struct ComponentReader {
    maker: Maker,
    is_bounded: bool,
    split: Split,
    /// The last one given out: a poll that was cancelled goes on from here in a new instance.
    position: Option<Position>,
    live: Option<OpenSplit>,
}

struct OpenSplit {
    instance: Instance,
    guest: Guest,
    reader: ResourceAny,
}

impl ComponentReader {
    async fn start(&mut self) -> Result<OpenSplit, Failed> {
        let Live { mut instance, guest, source } = Live::start(&self.maker).await?;
        let (position, state) = match &self.position {
            Some(stored) => {
                let (position, state) = position::decode(&stored.0).map_err(Fault::answer)?;
                (Some(position), state)
            }
            None => (None, BTreeMap::new()),
        };
        instance.store.data_mut().guest.state = Some(state);
        let role = guest.source();
        let split = source::SplitParam { id: &self.split.id, label: &self.split.label };
        let position = position.as_deref();
        let opened =
            instance.call(async |store| role.call_open(store, source, split, position).await).await?;
        let reader = opened.map_err(|error| Failed::Error(connector_error(error)))?;
        Ok(OpenSplit { instance, guest, reader })
    }

    /// The open split, taken out: it is put back by whoever got an answer from it.
    async fn live(&mut self) -> Result<OpenSplit, Failed> {
        match self.live.take() {
            Some(live) => Ok(live),
            None => self.start().await,
        }
    }

    async fn call_poll(&mut self, limits: PollLimits) -> Result<Polled, Failed> {
        let mut live = self.live().await?;
        live.instance.store.data_mut().guest.letters = Some(Vec::new());
        let (role, reader) = (live.guest.reader(), live.reader);
        let bounded = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let asked = source::PollLimits {
            max_records: bounded(limits.max_records),
            max_bytes: bounded(limits.max_bytes),
            wait_ms: u32::try_from(limits.wait.as_millis()).unwrap_or(u32::MAX),
        };
        let answer = live.instance.call(async |store| role.call_poll(store, reader, asked).await).await?;
        let answer = answer.map_err(|error| Failed::Error(connector_error(error)))?;
        live.instance.answered();
        let guest = &mut live.instance.store.data_mut().guest;
        let bad = guest.letters.take().unwrap_or_default();
        let batch = convert::lift(answer.records)?;
        if batch.len() > limits.max_records {
            let reason = format!("{} records, asked for {} at most", batch.len(), limits.max_records);
            return Err(Fault::answer(reason).into());
        }
        if answer.end_of_split && !self.is_bounded {
            return Err(Fault::answer("the end of a split of a source that is not bounded").into());
        }
        if let Some(position) = answer.position {
            if position.len() > POSITION_BYTES_MAX {
                let reason =
                    format!("a position of {} bytes, the most is {POSITION_BYTES_MAX}", position.len());
                return Err(Fault::answer(reason).into());
            }
            let state = guest.state.as_ref();
            self.position = Some(Position(position::encode(&position, state).into()));
        }
        let position = self.position.clone();
        self.live = Some(live);
        let (end_of_split, lag_bytes) = (answer.end_of_split, answer.lag_bytes);
        Ok(Polled { batch, bad, position, end_of_split, lag_bytes })
    }

    async fn call_committed(&mut self, position: &Position) -> Result<(), Failed> {
        let (position, _) = position::decode(&position.0).map_err(Fault::answer)?;
        let mut live = self.live().await?;
        let (role, reader) = (live.guest.reader(), live.reader);
        let told = live.instance.call(async |store| role.call_committed(store, reader, &position).await);
        told.await?.map_err(|error| Failed::Error(connector_error(error)))?;
        self.live = Some(live);
        Ok(())
    }

    async fn call_close(&mut self) -> Result<(), Failed> {
        // What is not open need not be opened to be closed.
        let Some(mut live) = self.live.take() else { return Ok(()) };
        let (role, reader) = (live.guest.reader(), live.reader);
        let closed = live.instance.call(async |store| role.call_close(store, reader).await).await?;
        closed.map_err(|error| Failed::Error(connector_error(error)))
    }
}

#[async_trait]
impl SourceReader for ComponentReader {
    async fn poll(&mut self, limits: PollLimits) -> Result<Polled, ConnectorError> {
        let polled = self.call_poll(limits).await;
        polled.map_err(|failed| failed.into_error(&self.maker.origin, "polling"))
    }

    async fn committed(&mut self, position: &Position) -> Result<(), ConnectorError> {
        let told = self.call_committed(position).await;
        told.map_err(|failed| failed.into_error(&self.maker.origin, "acknowledging"))
    }

    async fn close(&mut self) -> Result<(), ConnectorError> {
        let closed = self.call_close().await;
        closed.map_err(|failed| failed.into_error(&self.maker.origin, "closing"))
    }
}
