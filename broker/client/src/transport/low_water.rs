//! How much must have arrived before a reader is woken (`SO_RCVLOWAT`).
//!
//! A long response comes in pieces of 64 KiB or less, and each would wake the reader, at the cost of both sides: with a
//! mark, it is woken for the rest of the frame or for a good part of it. The kernel wakes it too when its buffer is full,
//! and when the peer has closed.

use std::io;

use tokio::net::TcpStream;

/// What is worth waiting for: less costs wakes, more keeps the sender waiting for room.
const MARK_BYTES_MAX: usize = 256 << 10;
/// What is missing less than this comes at once or nearly so, and is not worth a system call.
const MARK_BYTES_MIN: usize = 64 << 10;

/// The mark of one socket. It must never be beyond what will come: the reader would not wake.
#[derive(Debug)]
pub(super) struct LowWater {
    bytes: usize,
}

impl Default for LowWater {
    fn default() -> Self {
        LowWater { bytes: 1 }
    }
}

impl LowWater {
    /// Before a read, when at least `missing` bytes are on their way.
    pub(super) fn follow(&mut self, socket: &TcpStream, missing: usize) -> io::Result<()> {
        let bytes = if missing < MARK_BYTES_MIN { 1 } else { missing.min(MARK_BYTES_MAX) };
        if bytes == self.bytes {
            return Ok(());
        }
        set(socket, bytes)?;
        self.bytes = bytes;
        Ok(())
    }
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "no library sets this option")]
fn set(socket: &TcpStream, bytes: usize) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as the socket is borrowed, and the kernel reads `length` bytes of `bytes`.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVLOWAT,
            (&raw const bytes).cast(),
            length,
        )
    };
    match status {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
fn set(_socket: &TcpStream, _bytes: usize) -> io::Result<()> {
    Ok(())
}
