// Columns as records: iterate over a batch with `rows`, build one with `Builder`, or let `keep` and `edit` do both.
// The build script puts this file in front of the plugin's own.

const NO_TIMESTAMP = -(2n ** 63n);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function isNull(nulls, row) {
  return nulls != null && ((nulls[row >> 3] >> (row & 7)) & 1) === 1;
}

function cell(column, row) {
  if (column == null || isNull(column.nulls, row)) return null;
  return column.bytes.subarray(row ? column.ends[row - 1] : 0, column.ends[row]);
}

// One record of a batch: key and value are bytes or null, the timestamp is a BigInt of milliseconds or null.
class Row {
  constructor(batch, row) {
    this.batch = batch;
    this.row = row;
  }
  get key() {
    return cell(this.batch.keys, this.row);
  }
  get value() {
    return cell(this.batch.values, this.row);
  }
  get text() {
    const value = this.value;
    return value === null ? null : decoder.decode(value);
  }
  get timestampMs() {
    const found = this.batch.timestamps?.[this.row];
    return found === undefined || found === NO_TIMESTAMP ? null : found;
  }
  get headers() {
    const headers = this.batch.headers;
    if (headers == null) return [];
    const found = [];
    for (let n = this.row ? headers.rowEnds[this.row - 1] : 0; n < headers.rowEnds[this.row]; n++) {
      found.push([decoder.decode(cell(headers.names, n)), cell(headers.values, n)]);
    }
    return found;
  }
}

// The records of a batch.
function* rows(batch) {
  const count = batch.values.ends.length;
  for (let row = 0; row < count; row++) yield new Row(batch, row);
}

class ColumnBuilder {
  constructor() {
    this.bytes = new Uint8Array(1024);
    this.length = 0;
    this.ends = [];
    this.nullRows = [];
  }
  push(value) {
    if (value == null) {
      this.nullRows.push(this.ends.length);
    } else {
      const part = typeof value === "string" ? encoder.encode(value) : value;
      if (this.length + part.length > this.bytes.length) {
        const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + part.length));
        larger.set(this.bytes.subarray(0, this.length));
        this.bytes = larger;
      }
      this.bytes.set(part, this.length);
      this.length += part.length;
    }
    this.ends.push(this.length);
  }
  finish() {
    let nulls;
    if (this.nullRows.length > 0) {
      nulls = new Uint8Array((this.ends.length + 7) >> 3);
      for (const row of this.nullRows) nulls[row >> 3] |= 1 << (row & 7);
    }
    return { bytes: this.bytes.slice(0, this.length), ends: Uint32Array.from(this.ends), nulls };
  }
}

// Builds a batch record by record. Keys, values and header values are bytes, text or null.
class Builder {
  constructor() {
    this.keys = new ColumnBuilder();
    this.values = new ColumnBuilder();
    this.names = new ColumnBuilder();
    this.headerValues = new ColumnBuilder();
    this.rowEnds = [];
    this.timestamps = [];
  }
  get length() {
    return this.timestamps.length;
  }
  push({ key = null, value = null, timestampMs = null, headers = [] }) {
    this.keys.push(key);
    this.values.push(value);
    for (const [name, header] of headers) {
      this.names.push(name);
      this.headerValues.push(header);
    }
    this.rowEnds.push(this.names.ends.length);
    this.timestamps.push(timestampMs === null ? NO_TIMESTAMP : BigInt(timestampMs));
  }
  finish() {
    const hasHeaders = this.names.ends.length > 0;
    return {
      keys: this.keys.finish(),
      values: this.values.finish(),
      headers: hasHeaders
        ? { names: this.names.finish(), values: this.headerValues.finish(), rowEnds: Uint32Array.from(this.rowEnds) }
        : undefined,
      timestamps: BigInt64Array.from(this.timestamps),
    };
  }
}

// A pure filter: the records for which `predicate(record)` is true stay as they are.
function keep(batch, predicate) {
  const bits = new Uint8Array((batch.values.ends.length + 7) >> 3);
  for (const record of rows(batch)) {
    if (predicate(record)) bits[record.row >> 3] |= 1 << (record.row & 7);
  }
  return { output: { tag: "verdicts", val: bits }, rejected: [] };
}

// Zero or more records from each: `change(record, builder)` pushes them, or throws for a record that is no good.
function edit(batch, change) {
  const out = new Builder();
  const origins = [];
  const rejected = [];
  for (const record of rows(batch)) {
    const before = out.length;
    try {
      change(record, out);
    } catch (error) {
      if (out.length !== before) throw error;
      rejected.push({ row: record.row, reason: String(error) });
    }
    for (let n = before; n < out.length; n++) origins.push(record.row);
  }
  return { output: { tag: "records", val: { records: out.finish(), origins: Uint32Array.from(origins) } }, rejected };
}
// A plugin in JavaScript with all three roles: a source that counts, a transform that keeps multiples, a sink that
// adds up. `rows`, `Builder`, `keep` and `edit` come from millstream.js, which the build script puts in front.

import { write } from "millstream:connect/log@0.1.0";
import { gauge } from "millstream:connect/metrics@0.1.0";

const schema = (properties) => JSON.stringify({ type: "object", properties });

export const plugin = {
  describe() {
    const count = { type: "integer", minimum: 1, default: 1000, description: "How many numbers." };
    const of = { type: "integer", minimum: 1, default: 1, description: "Whose multiples are kept." };
    return {
      name: "numbers",
      version: "0.1.0",
      doc: "Counts, keeps multiples, adds up.",
      roles: [
        { role: "source", doc: "Counts from 0. Goes on exactly where it stopped.", configSchema: schema({ count }) },
        { role: "transform", doc: "Keeps the multiples of a number and says whose they are.", configSchema: schema({ of }) },
        {
          role: "sink",
          doc: "Adds up n and shows the sum as a metric and in the log.",
          configSchema: schema({}),
          delivery: "at-least-once",
        },
      ],
      wants: [],
    };
  },
  validate() {
    return [];
  },
};

class Source {
  constructor(count) {
    this.count = count;
  }
  static configure(config) {
    return new Source(JSON.parse(config).count);
  }
  isBounded() {
    return true;
  }
  splits() {
    return [{ id: "numbers", label: "numbers" }];
  }
  open(split, position) {
    return new Reader(position == null ? 0 : Number(decoder.decode(position)), this.count);
  }
}

class Reader {
  constructor(next, count) {
    this.next = next;
    this.count = count;
  }
  poll(limits) {
    const records = new Builder();
    for (; this.next < this.count && records.length < limits.maxRecords; this.next++) {
      records.push({ key: String(this.next), value: `{"n":${this.next}}` });
    }
    return {
      records: records.finish(),
      position: encoder.encode(String(this.next)),
      endOfSplit: this.next === this.count,
      lagBytes: undefined,
    };
  }
  committed() {}
  close() {}
}

class Transform {
  constructor(of) {
    this.of = of;
  }
  static configure(config) {
    return new Transform(JSON.parse(config).of);
  }
  apply(records) {
    return edit(records, (record, out) => {
      const value = JSON.parse(record.text);
      if (value.n % this.of !== 0) return;
      value.multiple_of = this.of;
      out.push({ key: record.key, value: JSON.stringify(value), timestampMs: record.timestampMs });
    });
  }
}

class Sink {
  constructor() {
    this.sum = 0;
  }
  static configure() {
    return new Sink();
  }
  open() {
    return [];
  }
  write(batch) {
    const rejected = [];
    for (const record of rows(batch.records)) {
      try {
        this.sum += JSON.parse(record.text).n;
      } catch (error) {
        rejected.push({ row: record.row, reason: String(error) });
      }
    }
    return { durable: false, rejected };
  }
  commit() {
    gauge("sum", this.sum);
    write("info", `the sum is ${this.sum}`);
  }
  close() {}
}

export const source = { Source, Reader };
export const transform = { Transform };
export const sink = { Sink };
