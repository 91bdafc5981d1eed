CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, since timestamptz NOT NULL);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customers, amount numeric(10, 2) NOT NULL);
INSERT INTO customers SELECT i, 'customer ' || i, '2026-01-01Z'::timestamptz + i * interval '1 day' FROM generate_series(1, 5) i;
INSERT INTO orders SELECT i, 1 + i % 5, i * 1.25 FROM generate_series(1, 100) i;
