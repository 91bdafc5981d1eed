//! What a client does with bytes from a broker. The first four bytes stand for the request that it sent: they
//! choose API and version.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use millstream_protocol::frame::decode_response_header;
use millstream_protocol::{ApiKey, Decoder, Encoder, ResponseKind};

fuzz_target!(|data: &[u8]| {
    let Some(([a, b, c, d], body)) = data.split_first_chunk::<4>() else { return };
    let Ok(key) = ApiKey::try_from(i16::from_be_bytes([*a, *b])) else { return };
    let version = i16::from_be_bytes([*c, *d]);
    let mut from = Decoder::new(Bytes::copy_from_slice(body));
    if decode_response_header(key, version, &mut from).is_err() {
        return;
    }
    let Ok(response) = ResponseKind::decode(key, version, &mut from) else { return };
    response.encode(&mut Encoder::new(), version).expect("what was read can be written");
});
