#!/usr/bin/env python3
"""expected.py FILE PARTITIONS: what hourly.sql must give, computed from the file in one plain pass."""
import datetime, json, math, sys

def murmur2(data):  # Kafka's default partitioner
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    if data[whole:]:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15

HOUR, watermarks, windows = 3600, {}, {}
for line in open(sys.argv[1]):
    quake = json.loads(line)
    time = datetime.datetime.fromisoformat(quake["time"].replace("Z", "+00:00")).timestamp()
    partition = (murmur2(quake["network"].encode()) & 0x7FFFFFFF) % int(sys.argv[2])
    start = time // HOUR * HOUR
    late = start + HOUR <= watermarks.get(partition, float("-inf"))  # its window has closed
    watermarks[partition] = max(watermarks.get(partition, float("-inf")), time - 6 * HOUR)
    if quake["magnitude"] >= 2.5 and not late:
        windows.setdefault((start, quake["network"]), []).append(quake["magnitude"])
text = lambda seconds: datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
for (start, network), found in sorted(windows.items()):
    print(json.dumps({"network": network, "window_start": text(start), "window_end": text(start + HOUR),
                      "quakes": len(found), "strongest": float(max(found)), "average": math.fsum(found) / len(found)}))
