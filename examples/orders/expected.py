#!/usr/bin/env python3
"""expected.py FOLDER: what orders.sql must give for the files in FOLDER, computed in one plain pass.

One JSON object a line: {"topic": "totals" or "late_payments", "row": {…}}."""
import datetime, json, pathlib, sys

folder = pathlib.Path(sys.argv[1])

def rows(name):
    for line in open(folder / name):
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            pass  # the poison record

text = lambda ms: datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S") + (
    f".{ms % 1000:03}Z" if ms % 1000 else "Z")
customers = {row["id"]: row for row in rows("customers.jsonl")}
orders = {row["id"]: row for row in rows("orders.jsonl")}
totals = {}
for payment in rows("payments.jsonl"):
    order = orders.get(payment["order_id"])
    if not order or not 0 <= payment["paid_at"] - order["ordered_at"] <= 300_000:
        row = {"order_id": payment["order_id"], "cents": payment["cents"], "paid_at": text(payment["paid_at"])}
        print(json.dumps({"topic": "late_payments", "row": row}))
    customer = order and customers.get(order["customer_id"])
    if customer:
        minute = order["ordered_at"] // 60_000 * 60_000
        total = totals.setdefault((customer["country"], minute), [0, 0])
        total[0] += 1
        total[1] += payment["cents"]
for (country, minute), (count, cents) in sorted(totals.items()):
    row = {"country": country, "minute": text(minute), "orders": count, "cents": cents}
    print(json.dumps({"topic": "totals", "row": row}))
