use super::*;

const LIMIT: usize = 1 << 20;

fn sample() -> Vec<u8> {
    (0..100_000u32).flat_map(|number| (number % 977).to_be_bytes()).collect()
}

#[test]
fn every_compression_reads_back() {
    for compression in Compression::ALL {
        for input in [Vec::new(), b"one".to_vec(), sample()] {
            let mut output = b"kept".to_vec();
            compression.compress(&input, &mut output).unwrap();
            assert!(output.starts_with(b"kept"));
            assert_eq!(compression.decompress(&output[4..], LIMIT).unwrap(), input, "{compression}");
        }
    }
}

#[test]
fn decompression_stops_at_the_limit() {
    let input = vec![0; 500_000];
    for compression in Compression::ALL {
        let mut output = Vec::new();
        compression.compress(&input, &mut output).unwrap();
        assert_eq!(compression.decompress(&output, input.len()).unwrap().len(), input.len());
        let error = compression.decompress(&output, input.len() - 1).unwrap_err();
        assert!(matches!(error, CompressionError::TooLarge { limit_bytes: 499_999, .. }), "{error}");
    }
}

#[test]
fn a_bare_snappy_block_is_accepted() {
    let block = snap::raw::Encoder::new().compress_vec(&sample()).unwrap();
    assert_eq!(Compression::Snappy.decompress(&block, LIMIT).unwrap(), sample());
}

#[test]
fn damaged_bytes_are_an_error() {
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut output = Vec::new();
        compression.compress(&sample(), &mut output).unwrap();
        output.truncate(output.len() / 2);
        assert!(compression.decompress(&output, LIMIT).is_err(), "{compression} cut in half");
        assert!(
            compression.decompress(b"\x01\x02\x03 not compressed", LIMIT).is_err(),
            "{compression} noise"
        );
    }
}

#[test]
fn names_and_ids_read_back() {
    for compression in Compression::ALL {
        assert_eq!(compression.name().parse(), Ok(compression));
        assert_eq!(Compression::from_id(compression.id()).unwrap(), compression);
    }
    assert!(Compression::from_id(5).is_err());
    assert_eq!(
        "brotli".parse::<Compression>().unwrap_err().to_string(),
        "`brotli` is no compression; choose none, gzip, snappy, lz4 or zstd"
    );
}
