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
