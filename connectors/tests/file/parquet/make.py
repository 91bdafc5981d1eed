"""Makes the files beside it with pyarrow 26 and duckdb 2: other writers than the library that reads them here."""

import datetime as dt
import decimal
import pathlib

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent
D = decimal.Decimal
utc = dt.timezone.utc

columns = {
    "bool": (pa.bool_(), [True, False]),
    "i8": (pa.int8(), [-128, 127]),
    "i16": (pa.int16(), [-32768, 32767]),
    "i32": (pa.int32(), [-(2**31), 2**31 - 1]),
    "i64": (pa.int64(), [-(2**63), 2**63 - 1]),
    "u8": (pa.uint8(), [0, 255]),
    "u16": (pa.uint16(), [0, 65535]),
    "u32": (pa.uint32(), [0, 2**32 - 1]),
    "u64": (pa.uint64(), [0, 2**64 - 1]),
    "f32": (pa.float32(), [0.1, float("nan")]),
    "f64": (pa.float64(), [0.1, float("-inf")]),
    "dec9": (pa.decimal128(9, 2), [D("-1234567.89"), D("0.05")]),
    "dec18": (pa.decimal128(18, 0), [D(-(10**17)), D(7)]),
    "dec38": (pa.decimal128(38, 10), [D("1234567890123456789012345678.0123456789"), D("-0.0000000001")]),
    "dec76": (pa.decimal256(76, 38), [D(1) / D(8), D(-(10**30))]),
    "text": (pa.string(), ['a "b"\n\\', ""]),
    "large_text": (pa.large_string(), ["größe", "\u0001"]),
    "bytes": (pa.binary(), [b"\x00\xff", b""]),
    "fixed": (pa.binary(3), [b"abc", b"\x01\x02\x03"]),
    "date": (pa.date32(), [dt.date(1969, 12, 31), dt.date(9999, 12, 31)]),
    "time_ms": (pa.time32("ms"), [dt.time(1, 2, 3), dt.time(23, 59, 59, 999000)]),
    "time_us": (pa.time64("us"), [dt.time(1, 2, 3, 4), dt.time(0)]),
    "time_ns": (pa.time64("ns"), [1, 86_399_999_999_999]),
    "ts_s": (pa.timestamp("s"), [dt.datetime(2026, 1, 2, 3, 4, 5), dt.datetime(1, 1, 1)]),
    "ts_ms": (pa.timestamp("ms", "UTC"), [dt.datetime(2026, 1, 2, 3, 4, 5, 6000, utc), dt.datetime(1969, 12, 31, 23, 59, 59, 999000, utc)]),
    "ts_us": (pa.timestamp("us", "Europe/Oslo"), [dt.datetime(2026, 1, 2, 3, 4, 5, 6, utc), dt.datetime(9999, 1, 1, tzinfo=utc)]),
    "ts_ns": (pa.timestamp("ns"), [1, -1]),
    "word": (pa.dictionary(pa.int8(), pa.string()), ["red", "green"]),
    "list": (pa.list_(pa.int32()), [[1, None, 3], []]),
    "lists": (pa.list_(pa.list_(pa.string())), [[["a"], [], None], None]),
    "struct": (pa.struct([("x", pa.int64()), ("y", pa.struct([("z", pa.date32())]))]), [{"x": 1, "y": {"z": dt.date(2026, 1, 1)}}, {"x": None, "y": None}]),
    "map": (pa.map_(pa.string(), pa.decimal128(5, 1)), [[("a", D("1.5")), ("b", None)], []]),
    "numbered": (pa.map_(pa.int32(), pa.list_(pa.bool_())), [[(7, [True])], None]),
    "f16": (pa.float16(), [0.5, -2.0]),
    "uuid": (pa.uuid(), [bytes(range(16)), bytes(16)]),
    "json": (pa.json_(), ['{"a": [1]}', "null"]),
    "nothing": (pa.null(), [None, None]),
    "no-name \"q\"": (pa.int64(), [1, 2]),
}


def table(rows):
    data = {name: values + [None] * (rows - 2) for name, (_, values) in columns.items()}
    return pa.table([pa.array(data[n], type=columns[n][0]) for n in columns], names=list(columns))


def write(name, data, **options):
    pq.write_table(data, here / name, **options)


types = table(3)
write("types-v1-snappy.parquet", types, compression="snappy", data_page_version="1.0", version="2.6")
write("types-v2-zstd.parquet", types, compression="zstd", data_page_version="2.0", version="2.6", use_dictionary=False)
write("types-v2-lz4.parquet", types, compression="lz4", data_page_version="2.0", version="2.6", store_schema=False)
write("types-v1-gzip.parquet", types, compression="gzip", version="2.6", write_page_index=True, use_byte_stream_split=["f32", "f64"], use_dictionary=False)
old = pa.table({
    "at": pa.array([dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), dt.datetime(2026, 1, 2, 3, 4, 5, 6)], pa.timestamp("us")),
    "n": pa.array([1, 2, 3], pa.int32()),
})
write("int96.parquet", old, use_deprecated_int96_timestamps=True, version="1.0", compression="none")
write("brotli.parquet", old, compression="brotli")
write("no-rows.parquet", types.slice(0, 0))
write("no-columns.parquet", pa.table({"n": [1, 2]}).select([]))
many = pa.table({"n": pa.array(range(2000), pa.int32()), "t": [f"row {i % 7}" for i in range(2000)]})
write("groups.parquet", many, row_group_size=300, data_page_size=256, compression="zstd", compression_level=19)
delta = pa.table({"n": pa.array(range(500), pa.int64()), "t": [f"text-{i // 3}" for i in range(500)], "b": [b"%d" % i for i in range(500)]})
write("delta.parquet", delta, use_dictionary=False, column_encoding={"n": "DELTA_BINARY_PACKED", "t": "DELTA_BYTE_ARRAY", "b": "DELTA_LENGTH_BYTE_ARRAY"}, compression="zstd")
duckdb.sql(f"""
    COPY (SELECT
        INTERVAL '1 year 2 months 3 days 4.567 seconds' AS every,
        'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID AS id,
        '{{"a": 1}}'::JSON AS document,
        'green'::ENUM('red', 'green') AS word,
        '12:13:14.5'::TIME AS clock,
        '2026-01-02 03:04:05.6+02'::TIMESTAMPTZ AS instant,
        '\\x00\\xff'::BLOB AS bytes,
        1.25::DECIMAL(4, 2) AS price,
        [{{'k': 1, 'v': ['x', NULL]}}] AS nested,
        MAP {{'a': 1}} AS pairs
    ) TO '{here / "duckdb.parquet"}' (FORMAT parquet)
""")
