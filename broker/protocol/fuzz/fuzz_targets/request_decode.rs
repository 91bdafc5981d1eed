//! What a broker does with bytes from a client: header, then request; what reads must be writable.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use millstream_protocol::frame::decode_request_header;
use millstream_protocol::{Decoder, Encoder, RequestKind};

fuzz_target!(|data: &[u8]| {
    let mut from = Decoder::new(Bytes::copy_from_slice(data));
    let Ok(header) = decode_request_header(&mut from) else { return };
    let Ok(request) = RequestKind::decode(header.api_key, header.api_version, &mut from) else { return };
    request.encode(&mut Encoder::new(), header.api_version).expect("what was read can be written");
});
