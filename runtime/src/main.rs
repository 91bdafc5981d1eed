//! The millstream binary: parse, call, exit.

use std::process::ExitCode;

/// State comes and goes by the row, and what has gone must not stay resident: glibc's allocator keeps more of it.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Free pages go back after half a second, also from threads that rest; one arena per core.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the allocator reads its settings from the symbol of this name")]
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8; 79] =
    b"background_thread:true,percpu_arena:percpu,dirty_decay_ms:500,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    millstream::cli::main()
}
