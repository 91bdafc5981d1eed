"""Keeps the multiples of a number and says whose they are."""

import json

from millstream import edit
from wit_world import exports


class Transform(exports.transform.Transform):
    def __init__(self, of):
        self.of = of

    @classmethod
    def configure(cls, config, at):
        return cls(json.loads(config)["of"])

    def apply(self, records):
        return edit(records, self.one)

    def one(self, record, out):
        value = json.loads(record.value)
        if value["n"] % self.of == 0:
            value["multiple_of"] = self.of
            out.push(record.key, json.dumps(value, separators=(",", ":")).encode(), record.timestamp_ms)
