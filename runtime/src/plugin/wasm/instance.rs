//! A store with its limits, and how a call into it is watched.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_sdk::error::ConnectorError;
use wasmtime::component::{InstancePre, ResourceTable};
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::bindings::millstream::connect::types::Place;
use super::engine::{TICK, Ticking};
use super::fault::Fault;
use super::host::{self, Fence, Guests};
use super::rest::Rest;
use crate::plugin::Grants;

/// Most entries of one table.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;

/// Who an instance works for, for messages and labels.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub plugin: &'static str,
    pub pipeline: String,
    pub node: String,
}

impl Origin {
    /// A fault as the error of a task.
    pub fn error(&self, during: &str, fault: &Fault) -> ConnectorError {
        ConnectorError::fatal(self.describe(during, fault))
    }

    /// As the contract tells it to the component.
    pub fn place(&self) -> Place<'_> {
        Place { pipeline: &self.pipeline, node: &self.node }
    }

    pub fn describe(&self, during: &str, fault: &Fault) -> String {
        let Origin { plugin, pipeline, node } = self;
        format!("plugin {plugin} (pipeline {pipeline}, node {node}), {during}: {fault}")
    }
}

/// What belongs to one instance.
pub struct State {
    pub wasi: WasiCtx,
    pub table: ResourceTable,
    pub guest: Guests,
    http: WasiHttpCtx,
    fence: Fence,
    limits: Limits,
}

/// Memory and time of an instance.
struct Limits {
    memory_bytes: usize,
    memory_used: usize,
    cpu: Duration,
    ticks: u32,
}

impl Limits {
    /// How long the call has run so far.
    fn ran(&self) -> Duration {
        TICK * self.ticks
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.fence, table: &mut self.table, ctx: &mut self.http }
    }
}

/// The reason of a trap that a limit made; found again in wasmtime's error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Stopped(pub Fault);

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.memory_used - current.min(self.memory_used) + desired;
        if wanted > self.memory_bytes {
            let mib = |bytes: usize| bytes.div_ceil(1 << 20);
            let fault = Fault::Memory { wanted_mib: mib(wanted), granted_mib: mib(self.memory_bytes) };
            return Err(Stopped(fault).into());
        }
        self.memory_used = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _most: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS_MAX {
            return Err(Stopped(Fault::Table { wanted: desired, most: TABLE_ELEMENTS_MAX }).into());
        }
        Ok(true)
    }
}

/// A component's instance. After a fault it must be dropped.
pub struct Instance {
    pub store: Store<State>,
    pub inner: wasmtime::component::Instance,
    /// Longest that a call may take, waiting included.
    wall: Duration,
    /// How long the last call has kept a thread busy, in the kernel too.
    busy: Duration,
    rest: Option<Arc<Rest>>,
    plugin: &'static str,
}

impl Instance {
    /// `rest` is told when the instance has to be stopped.
    pub async fn start(
        pre: &InstancePre<State>,
        grants: &Grants,
        origin: Origin,
        rest: Option<Arc<Rest>>,
    ) -> Result<Instance, Fault> {
        let failed = |error: &wasmtime::Error| Fault::Start { reason: format!("{error:#}") };
        let plugin = origin.plugin;
        let guest = Guests::new(grants, origin);
        let state = State {
            wasi: host::wasi(grants, &guest).map_err(|error| failed(&error))?,
            table: ResourceTable::new(),
            fence: guest.fence(grants),
            guest,
            http: WasiHttpCtx::new(),
            limits: Limits { memory_bytes: grants.memory_bytes, memory_used: 0, cpu: grants.cpu, ticks: 0 },
        };
        let mut store = Store::new(pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_callback(|mut store| {
            let limits = &mut store.data_mut().limits;
            limits.ticks += 1;
            match limits.ran() > limits.cpu {
                true => Err(Stopped(Fault::Cpu { granted_ms: limits.cpu.as_millis() }).into()),
                false => Ok(UpdateDeadline::Yield(1)),
            }
        });
        store.set_epoch_deadline(1);
        let wall = grants.wall;
        let mut busy = Duration::ZERO;
        let started = within(wall, &mut busy, pre.instantiate_async(&mut store)).await;
        let outcome = match started {
            Ok(inner) => return Ok(Instance { store, inner, wall, busy, rest, plugin }),
            Err(Interrupted::Wall) => Fault::Wall { waited: wall },
            Err(Interrupted::Failed(error)) => match error.downcast_ref::<Stopped>() {
                Some(Stopped(fault)) => fault.clone(),
                None => failed(&error),
            },
        };
        if let Some(rest) = rest {
            rest.note(busy, format!("plugin {plugin}: {outcome}"));
        }
        Err(outcome)
    }

    /// The functions of one exported interface.
    pub fn load<T>(
        &mut self,
        indices: impl FnOnce(&mut Store<State>, &wasmtime::component::Instance) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        indices(&mut self.store, &self.inner).map_err(|error| Fault::Start { reason: format!("{error:#}") })
    }

    /// One call of the component, measured and within its limits.
    pub async fn call<T>(
        &mut self,
        call: impl AsyncFnOnce(&mut Store<State>) -> wasmtime::Result<T>,
    ) -> Result<T, Fault> {
        self.store.data_mut().limits.ticks = 0;
        self.store.set_epoch_deadline(1);
        self.busy = Duration::ZERO;
        let outcome = within(self.wall, &mut self.busy, call(&mut self.store)).await;
        self.judge(outcome)
    }

    /// The fault behind a call that failed.
    fn judge<T>(&self, outcome: Result<T, Interrupted>) -> Result<T, Fault> {
        let fault = match (self.store.data().guest.denied(), outcome) {
            (None, Ok(answer)) => return Ok(answer),
            (Some(denied), _) => denied,
            (None, Err(Interrupted::Wall)) => Fault::Wall { waited: self.wall },
            (None, Err(Interrupted::Failed(error))) => match error.downcast_ref::<Stopped>() {
                Some(Stopped(fault)) => fault.clone(),
                None => self.store.data().guest.trap(&error),
            },
        };
        self.stopped(&fault);
        Err(fault)
    }

    /// It will be dropped for what its last call did or answered.
    pub fn stopped(&self, fault: &Fault) {
        if let Some(rest) = &self.rest {
            rest.note(self.busy, format!("plugin {}: {fault}", self.plugin));
        }
    }

    /// It has done what it is for.
    pub fn answered(&self) {
        if let Some(rest) = &self.rest {
            rest.answered();
        }
    }
}

/// Why a call did not come back.
pub enum Interrupted {
    Wall,
    Failed(wasmtime::Error),
}

/// Runs a call into a component while the ticker ticks, for no longer than any call may take.
async fn within<T>(
    wall: Duration,
    busy: &mut Duration,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<T, Interrupted> {
    let _ticking = Ticking::start();
    let mut call = std::pin::pin!(call);
    let measured = std::future::poll_fn(|context| {
        let began = Instant::now();
        let polled = call.as_mut().poll(context);
        *busy += began.elapsed();
        polled
    });
    match tokio::time::timeout(wall, measured).await {
        Ok(outcome) => outcome.map_err(Interrupted::Failed),
        Err(_) => Err(Interrupted::Wall),
    }
}

/// Runs a short piece of work to its end from code that is not async, on a thread and runtime of its own.
pub fn aside<T: Send>(work: impl Future<Output = T> + Send) -> Result<T, String> {
    let run = || -> Result<T, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(runtime.map_err(|error| format!("starting a runtime: {error}"))?.block_on(work))
    };
    std::thread::scope(|scope| {
        let joined = scope.spawn(run).join();
        joined.unwrap_or_else(|_| Err("the component engine panicked; this is a bug".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use wasmtime::Module;

    use super::super::engine::engine;
    use super::*;

    /// `(module (table 0 funcref) (func (export "g") (drop (table.grow 0 (ref.null func) (i32.const 2000000)))))`
    const GROWS_A_TABLE: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x04\x04\x01\x70\0\0\
        \x07\x05\x01\x01g\0\0\x0a\x0f\x01\x0d\0\xd0\x70\x41\x80\x89\xfa\0\xfc\x0f\0\x1a\x0b";

    #[tokio::test]
    async fn a_table_that_grows_too_large_is_stopped() {
        let engine = engine().unwrap();
        let module = Module::from_binary(engine, GROWS_A_TABLE).unwrap();
        let limits = Limits { memory_bytes: 0, memory_used: 0, cpu: Duration::from_secs(1), ticks: 0 };
        let mut store = Store::new(engine, limits);
        store.limiter(|limits| limits);
        store.set_epoch_deadline(1_000);
        let instance = wasmtime::Instance::new_async(&mut store, &module, &[]).await.unwrap();
        let grow = instance.get_typed_func::<(), ()>(&mut store, "g").unwrap();
        let error = grow.call_async(&mut store, ()).await.unwrap_err();
        let Some(Stopped(fault)) = error.downcast_ref::<Stopped>() else { panic!("{error:?}") };
        assert_eq!(fault.to_string(), "wanted a table of 2000000 entries, the most is 1048576");
    }
}
