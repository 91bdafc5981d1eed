#!/usr/bin/env python3
"""generate.py [ORDERS] [SEED]: writes orders.jsonl, customers.jsonl and payments.jsonl into the current folder.

Orders and payments are a little out of order; some orders are never paid, some are paid late, one line is no JSON."""
import json, random, sys

count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 2000, int(sys.argv[2]) if len(sys.argv) > 2 else 1
random.seed(seed)
START, COUNTRIES = 1_767_225_600_000, ["at", "ch", "de", "fr", "it"]
customers = max(20, count // 40)

with open("customers.jsonl", "w") as out:
    for customer in range(1, customers + 1):
        # Some move: what counts in the end is the last that is known of them.
        for _ in range(1 + (random.random() < 0.2)):
            out.write(json.dumps({"id": customer, "name": f"Customer {customer}",
                                  "country": random.choice(COUNTRIES)}) + "\n")

orders, payments = [], []
for order in range(1, count + 1):
    ordered_at = START + order * 500 + random.randrange(4_000)
    cents = random.randrange(100, 50_000)
    # A few orders name a customer that nobody knows.
    customer = random.randrange(1, customers + 1) if random.random() < 0.98 else customers + 1
    orders.append((ordered_at + random.randrange(3_000),
                   {"id": order, "customer_id": customer, "cents": cents, "ordered_at": ordered_at}))
    if random.random() < 0.9:
        delay = random.randrange(1_000, 300_000) if random.random() < 0.95 else random.randrange(300_001, 900_000)
        payments.append((ordered_at + delay + random.randrange(3_000),
                         {"id": order, "order_id": order, "cents": cents, "paid_at": ordered_at + delay}))

for name, rows in (("orders.jsonl", orders), ("payments.jsonl", payments)):
    rows.sort(key=lambda row: row[0])
    with open(name, "w") as out:
        for number, (_, row) in enumerate(rows):
            if name == "orders.jsonl" and number == count // 2:
                out.write('{"id": 0, "customer_id": "poison\n')
            out.write(json.dumps(row) + "\n")
