//! One wasmtime engine per process, made when the first component is loaded, and the ticker that measures time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::plugin::grants::MEMORY_BYTES_MAX;

/// Most instances of components in one process.
pub const INSTANCES_MAX: u32 = 256;

/// A component of an interpreted language is linked of so many parts.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
const CORE_INSTANCES_MAX: u32 = 4096;
const TABLES_MAX: u32 = 1024;
const MEMORIES_MAX: u32 = 512;
const TABLE_ELEMENTS_MAX: usize = 1 << 20;
const CORE_INSTANCE_BYTES_MAX: usize = 8 << 20;
const WASM_STACK_BYTES: usize = 1 << 20;
const ASYNC_STACK_BYTES: usize = 2 << 20;

/// The unit in which processor time is measured and shared.
pub const TICK: Duration = Duration::from_millis(1);

static ENGINE: OnceLock<Result<Engine, String>> = OnceLock::new();

/// The process's engine.
pub fn engine() -> Result<&'static Engine, String> {
    ENGINE.get_or_init(|| start().map_err(|error| format!("{error:#}"))).as_ref().map_err(Clone::clone)
}

fn start() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(ASYNC_STACK_BYTES);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    match Engine::new(&config) {
        Ok(engine) => Ok(engine),
        // A pool reserves address space, which some machines forbid.
        Err(error) => {
            tracing::warn!(%error, "no pool of instances; each is allocated when it is needed");
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Engine::new(&config)
        }
    }
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES_MAX);
    pool.max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT);
    pool.total_core_instances(CORE_INSTANCES_MAX);
    pool.max_core_instance_size(CORE_INSTANCE_BYTES_MAX);
    pool.max_component_instance_size(CORE_INSTANCE_BYTES_MAX);
    pool.max_tables_per_component(CORE_INSTANCES_PER_COMPONENT);
    pool.total_tables(TABLES_MAX);
    pool.table_elements(TABLE_ELEMENTS_MAX);
    pool.max_memories_per_component(CORE_INSTANCES_PER_COMPONENT);
    pool.total_memories(MEMORIES_MAX);
    pool.max_memory_size(MEMORY_BYTES_MAX);
    pool.total_stacks(INSTANCES_MAX * 2);
    pool
}

/// While one lives, the engine's epoch moves on by one each [`TICK`].
pub struct Ticking(());

struct Ticker {
    calls: AtomicUsize,
    thread: OnceLock<Thread>,
}

static TICKER: LazyLock<Arc<Ticker>> = LazyLock::new(start_ticker);

impl Ticking {
    pub fn start() -> Ticking {
        if TICKER.calls.fetch_add(1, Ordering::AcqRel) == 0
            && let Some(thread) = TICKER.thread.get()
        {
            thread.unpark();
        }
        Ticking(())
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        TICKER.calls.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A thread that sleeps while no component is called.
fn start_ticker() -> Arc<Ticker> {
    let ticker = Arc::new(Ticker { calls: AtomicUsize::new(0), thread: OnceLock::new() });
    let shared = Arc::clone(&ticker);
    let tick = move || {
        loop {
            if shared.calls.load(Ordering::Acquire) == 0 {
                std::thread::park();
            }
            std::thread::sleep(TICK);
            if let Ok(engine) = engine() {
                engine.increment_epoch();
            }
        }
    };
    match std::thread::Builder::new().name("wasm-ticker".to_owned()).spawn(tick) {
        Ok(spawned) => drop(ticker.thread.set(spawned.thread().clone())),
        Err(error) => tracing::error!(%error, "no thread measures the time of components"),
    }
    ticker
}
