"""Counts from 0 to `count`."""

import json

from millstream import Builder
from wit_world import exports
from wit_world.exports.source import Polled, Split


class Source(exports.source.Source):
    def __init__(self, count):
        self.count = count

    @classmethod
    def configure(cls, config, at):
        return cls(json.loads(config)["count"])

    def is_bounded(self):
        return True

    def splits(self):
        return [Split("numbers", "numbers")]

    def open(self, split, position):
        return Reader(int(position) if position is not None else 0, self.count)


class Reader(exports.source.Reader):
    def __init__(self, next, count):
        self.next, self.count = next, count

    def poll(self, limits):
        end = min(self.count, self.next + limits.max_records)
        records = Builder()
        for n in range(self.next, end):
            records.push(key=str(n).encode(), value=b'{"n":%d}' % n)
        self.next = end
        return Polled(records.finish(), str(end).encode(), end == self.count, None)

    def committed(self, position):
        pass

    def close(self):
        pass
