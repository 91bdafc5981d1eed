"""Adds up n and shows the sum as a metric and in the log."""

import json

from millstream import rows
from wit_world import exports
from wit_world.exports.sink import Written
from wit_world.imports import log, metrics
from wit_world.imports.types import Rejection


class Sink(exports.sink.Sink):
    def __init__(self):
        self.sum = 0

    @classmethod
    def configure(cls, config, at):
        return cls()

    def open(self, partitions):
        return []

    def write(self, batch):
        rejected = []
        for row, record in enumerate(rows(batch.records)):
            try:
                self.sum += json.loads(record.value)["n"]
            except (KeyError, TypeError, ValueError) as error:
                rejected.append(Rejection(row, repr(error)))
        return Written(False, rejected)

    def commit(self, positions):
        metrics.gauge("sum", float(self.sum))
        log.write(log.Level.INFO, f"the sum is {self.sum}")

    def close(self):
        pass
