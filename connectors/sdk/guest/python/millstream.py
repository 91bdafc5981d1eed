"""Columns as records: iterate over a batch with `rows`, build one with `Builder`, or let `keep` and `edit` do both."""

from wit_world.exports.transform import Output_Records, Output_Verdicts, Records, Transformed
from wit_world.imports.types import Batch, Column, Headers, Rejection

NO_TIMESTAMP = -(2**63)


class Record:
    """One record of a batch: key and value are bytes or None, the timestamp is in milliseconds or None."""

    __slots__ = ("key", "value", "timestamp_ms", "_headers", "_row")

    def __init__(self, key, value, timestamp_ms, headers, row):
        self.key, self.value, self.timestamp_ms = key, value, timestamp_ms
        self._headers, self._row = headers, row

    @property
    def headers(self):
        """Pairs of name and value, in order."""
        if self._headers is None:
            return []
        ends = self._headers.row_ends
        first, last = ends[self._row - 1] if self._row else 0, ends[self._row]
        return [(_get(self._headers.names, n).decode(), _get(self._headers.values, n)) for n in range(first, last)]


def _get(column, row):
    if column.nulls is not None and column.nulls[row >> 3] >> (row & 7) & 1:
        return None
    return column.bytes[column.ends[row - 1] if row else 0 : column.ends[row]]


def _values(column, rows):
    if column is None:
        for _ in range(rows):
            yield None
        return
    start, data, nulls = 0, column.bytes, column.nulls
    for row, end in enumerate(column.ends):
        yield None if nulls is not None and nulls[row >> 3] >> (row & 7) & 1 else data[start:end]
        start = end


def rows(batch):
    """The records of a batch."""
    count = len(batch.values.ends)
    timestamps = batch.timestamps if batch.timestamps is not None else [NO_TIMESTAMP] * count
    columns = zip(_values(batch.keys, count), _values(batch.values, count), timestamps)
    for row, (key, value, timestamp) in enumerate(columns):
        yield Record(key, value, None if timestamp == NO_TIMESTAMP else timestamp, batch.headers, row)


class _ColumnBuilder:
    def __init__(self):
        self.parts, self.ends, self.length, self.nulls = [], [], 0, None

    def push(self, value):
        row = len(self.ends)
        if value is not None:
            self.parts.append(value)
            self.length += len(value)
        elif self.nulls is None:
            self.nulls = bytearray()
        self.ends.append(self.length)
        if self.nulls is not None:
            self.nulls.extend(bytes(row // 8 + 1 - len(self.nulls)))
            if value is None:
                self.nulls[row >> 3] |= 1 << (row & 7)

    def finish(self):
        return Column(b"".join(self.parts), self.ends, None if self.nulls is None else bytes(self.nulls))


class Builder:
    """Builds a batch record by record."""

    def __init__(self):
        self._keys, self._values = _ColumnBuilder(), _ColumnBuilder()
        self._names, self._header_values, self._row_ends = _ColumnBuilder(), _ColumnBuilder(), []
        self._timestamps = []

    def __len__(self):
        return len(self._timestamps)

    def push(self, key=None, value=None, timestamp_ms=None, headers=()):
        self._keys.push(key)
        self._values.push(value)
        for name, header in headers:
            self._names.push(name.encode())
            self._header_values.push(header)
        self._row_ends.append(len(self._names.ends))
        self._timestamps.append(NO_TIMESTAMP if timestamp_ms is None else timestamp_ms)

    def finish(self):
        headers = None
        if self._names.ends:
            headers = Headers(self._names.finish(), self._header_values.finish(), self._row_ends)
        return Batch(self._keys.finish(), self._values.finish(), headers, self._timestamps)


def keep(batch, predicate):
    """A pure filter: the records for which `predicate(record)` is true stay as they are."""
    bits = bytearray((len(batch.values.ends) + 7) // 8)
    for row, record in enumerate(rows(batch)):
        if predicate(record):
            bits[row >> 3] |= 1 << (row & 7)
    return Transformed(Output_Verdicts(bytes(bits)), [])


def edit(batch, change):
    """Zero or more records from each: `change(record, builder)` pushes them, or raises for a record that is no good."""
    out, origins, rejected = Builder(), [], []
    for row, record in enumerate(rows(batch)):
        before = len(out)
        try:
            change(record, out)
        except Exception as error:
            if len(out) != before:
                raise
            rejected.append(Rejection(row, f"{type(error).__name__}: {error}"))
        origins.extend([row] * (len(out) - before))
    return Transformed(Output_Records(Records(out.finish(), origins)), rejected)
