//! What a component may call: the contract's imports, the harmless part of WASI, and what is granted.

mod imports;
mod network;
mod output;

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_sdk::source::BadRecord;
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings as p2;
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiView};

use super::bindings::millstream::connect;
use super::fault::Fault;
use super::instance::{Origin, State};
use crate::plugin::{Grant, Grants};
pub use network::Fence;
use network::{Denied, may_use};
use output::{Tail, Words};

/// What the contract's imports work on.
pub struct Guests {
    pub origin: Origin,
    secrets: BTreeMap<String, String>,
    /// What the component wrote to its log or error output last; the reason of a trap is often there.
    tail: Tail,
    /// An address that it dialled without a grant.
    denied: Denied,
    /// Input that is no record, while polling; `None` at other times.
    pub letters: Option<Vec<BadRecord>>,
    /// Values that live with the position; `None` where there is no position.
    pub state: Option<BTreeMap<String, Vec<u8>>>,
}

impl Guests {
    pub fn new(grants: &Grants, origin: Origin) -> Guests {
        Guests {
            origin,
            secrets: grants.secrets.clone(),
            tail: Tail::default(),
            denied: Denied::default(),
            letters: None,
            state: None,
        }
    }
}

impl Guests {
    /// Requests of this instance, held against the grants.
    pub fn fence(&self, grants: &Grants) -> Fence {
        Fence::new(&grants.http, &self.denied)
    }

    /// Whether it dialled what it was not granted: then it is stopped, however it took the refusal.
    pub fn denied(&self) -> Option<Fault> {
        self.denied.address().map(|address| Fault::Denied { address })
    }

    /// A trap as a fault: its reason, and what the component said last.
    pub fn trap(&self, error: &wasmtime::Error) -> Fault {
        let reason = match error.downcast_ref::<wasmtime::Trap>() {
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        };
        let said = self.tail.text();
        Fault::Trap { reason: if said.is_empty() { reason } else { format!("{reason}; it said: {said}") } }
    }
}

/// Links what the grants allow. What is not linked cannot be called.
pub fn link(engine: &Engine, grants: &Grants) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    link_contract(&mut linker)?;
    link_harmless(&mut linker)?;
    if grants.has(&Grant::Net) {
        link_sockets(&mut linker)?;
    }
    if grants.has(&Grant::Http) {
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    }
    Ok(linker)
}

fn link_contract(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Own = HasSelf<Guests>;
    connect::types::add_to_linker::<State, Own>(linker, |state| &mut state.guest)?;
    connect::log::add_to_linker::<State, Own>(linker, |state| &mut state.guest)?;
    connect::metrics::add_to_linker::<State, Own>(linker, |state| &mut state.guest)?;
    connect::state::add_to_linker::<State, Own>(linker, |state| &mut state.guest)?;
    connect::secrets::add_to_linker::<State, Own>(linker, |state| &mut state.guest)?;
    connect::clock::add_to_linker::<State, Own>(linker, |state| &mut state.guest)?;
    connect::dead_letter::add_to_linker::<State, Own>(linker, |state| &mut state.guest)
}

/// Streams, clocks and randomness; files only below granted folders, arguments and environment empty.
fn link_harmless(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use p2::{cli, clocks, filesystem, io, random};
    io::error::add_to_linker::<State, HasTable>(linker, |state| &mut state.table)?;
    io::poll::add_to_linker::<State, HasTable>(linker, |state| &mut state.table)?;
    io::streams::add_to_linker::<State, HasTable>(linker, |state| &mut state.table)?;
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(linker, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(linker, State::clocks)?;
    filesystem::preopens::add_to_linker::<State, WasiFilesystem>(linker, State::filesystem)?;
    filesystem::types::add_to_linker::<State, WasiFilesystem>(linker, State::filesystem)?;
    random::random::add_to_linker::<State, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure::add_to_linker::<State, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    cli::exit::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::environment::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::stderr::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, State::cli)
}

struct HasTable;

impl wasmtime::component::HasData for HasTable {
    type Data<'a> = &'a mut wasmtime::component::ResourceTable;
}

fn link_sockets(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use p2::sockets;
    sockets::tcp::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    sockets::udp::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    sockets::udp_create_socket::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    sockets::instance_network::add_to_linker::<State, WasiSockets>(linker, State::sockets)?;
    let options = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<State, WasiSockets>(linker, &options, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<State, WasiSockets>(linker, State::sockets)
}

/// The WASI world of one instance.
pub fn wasi(grants: &Grants, guest: &Guests) -> wasmtime::Result<WasiCtx> {
    let mut builder = WasiCtx::builder();
    builder.stdout(Words::new(guest)).stderr(Words::new(guest));
    for folder in &grants.folders {
        let permissions = if folder.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder.preopened_dir(&folder.path, &folder.seen_as, permissions)?;
    }
    if grants.has(&Grant::Net) {
        let (granted, denied): (Arc<[String]>, _) = (grants.net.clone().into(), guest.denied.clone());
        // Each is off unless it is said; the addresses are held against the grants below.
        builder.allow_tcp(true).allow_udp(true).allow_ip_name_lookup(true);
        builder.socket_addr_check(move |address, usage| {
            Box::pin(may_use(Arc::clone(&granted), address, usage, denied.clone()))
        });
    }
    Ok(builder.build())
}
