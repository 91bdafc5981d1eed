//! The smallest node: serves a folder until it is killed or its input ends.
//!
//!     cargo run -p millstream-broker --example serve -- FOLDER [KEY=VALUE]...
//!
//! Prints the address of its first listener. The real binary is `millstream server`; this one is for work on the
//! broker alone, and for tests that kill it.

use std::io::Read;

use millstream_broker::{Broker, Config};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve())
}

async fn serve() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: serve FOLDER [KEY=VALUE]...")?;
    let mut config = Config::new(folder);
    for setting in arguments {
        let (key, value) = setting.split_once('=').ok_or("settings look like KEY=VALUE")?;
        config.set(key, value)?;
    }
    let broker = Broker::start(config).await?;
    if let Some(address) = broker.addr() {
        println!("{address}");
    }
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    broker.shutdown().await?;
    Ok(())
}
