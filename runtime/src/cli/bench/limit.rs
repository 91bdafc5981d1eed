//! What this machine itself can do, measured in the same run as the broker: bytes over loopback into a
//! file, and bytes from a file over loopback, with nobody looking at them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::process::cpu_seconds_of_thread;

/// One system call's worth of bytes on either side.
const BLOCK_BYTES: usize = 1024 * 1024;

/// Bytes moved and the time that took.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    pub bytes: u64,
    pub elapsed: Duration,
    /// CPU time of the side that stands for the broker, where the system tells it.
    pub cpu_seconds: Option<f64>,
}

impl Moved {
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// A bare sender over loopback whose bytes the receiver appends to `file`, unparsed and unsynced.
pub fn socket_to_file(file: &Path, bytes: u64, payload: &[u8]) -> std::io::Result<Moved> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let mut target = File::create(file)?;
    std::thread::scope(|scope| {
        let receiver = scope.spawn(move || -> std::io::Result<(u64, Option<f64>)> {
            let (mut socket, _) = listener.accept()?;
            let mut block = vec![0; BLOCK_BYTES];
            let mut received = 0;
            loop {
                let count = socket.read(&mut block)?;
                if count == 0 {
                    return Ok((received, cpu_seconds_of_thread()));
                }
                target.write_all(block.get(..count).unwrap_or_default())?;
                received += count as u64;
            }
        });
        let started = Instant::now();
        let sent = send_blocks(address, bytes, payload);
        // A receiver that fails (a full disk) closes the socket: its reason is the one to tell.
        let (received, cpu_seconds) = joined(receiver.join())?;
        sent?;
        Ok(Moved { bytes: received, elapsed: started.elapsed(), cpu_seconds })
    })
}

fn send_blocks(address: SocketAddr, bytes: u64, payload: &[u8]) -> std::io::Result<()> {
    let mut socket = TcpStream::connect(address)?;
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(payload.len()).min(BLOCK_BYTES);
        socket.write_all(payload.get(..count).unwrap_or_default())?;
        left -= count as u64;
    }
    Ok(())
}

/// A bare sender of `file`'s bytes (repeated until `bytes` were sent) to a receiver that drops them.
pub fn file_to_socket(file: &Path, bytes: u64) -> std::io::Result<Moved> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    let mut source = File::open(file)?;
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || -> std::io::Result<Option<f64>> {
            let (mut socket, _) = listener.accept()?;
            let mut block = vec![0; BLOCK_BYTES];
            let mut left = bytes;
            while left > 0 {
                let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK_BYTES);
                let count = source.read(block.get_mut(..wanted).unwrap_or_default())?;
                if count == 0 {
                    source.seek(SeekFrom::Start(0))?;
                    continue;
                }
                socket.write_all(block.get(..count).unwrap_or_default())?;
                left -= count as u64;
            }
            Ok(cpu_seconds_of_thread())
        });
        let started = Instant::now();
        let received = receive_all(address);
        let elapsed = started.elapsed();
        let cpu_seconds = joined(sender.join())?;
        Ok(Moved { bytes: received?, elapsed, cpu_seconds })
    })
}

fn receive_all(address: SocketAddr) -> std::io::Result<u64> {
    let mut socket = TcpStream::connect(address)?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut received = 0;
    loop {
        match socket.read(&mut block)? {
            0 => return Ok(received),
            count => received += count as u64,
        }
    }
}

fn joined<T>(result: std::thread::Result<std::io::Result<T>>) -> std::io::Result<T> {
    result.unwrap_or_else(|_| Err(std::io::Error::other("a thread of the measurement panicked")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_arrives() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("bytes");
        let moved = socket_to_file(&file, 3_000_000, &[7; 1000]).unwrap();
        assert_eq!((moved.bytes, std::fs::metadata(&file).unwrap().len()), (3_000_000, 3_000_000));
        assert_eq!(file_to_socket(&file, 5_000_000).unwrap().bytes, 5_000_000);
    }

    #[test]
    fn a_full_disk_is_told_as_such() {
        let error = socket_to_file(Path::new("/dev/full"), 30_000_000, &[7; 1000]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
}
