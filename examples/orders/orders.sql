-- Facts: what happened, in the order of the topic.
CREATE STREAM orders (
  id BIGINT,
  customer_id BIGINT,
  cents BIGINT,
  ordered_at TIMESTAMP,
  WATERMARK FOR ordered_at AS ordered_at - INTERVAL '10' SECOND
) WITH (topic = 'orders', key = 'id');

CREATE STREAM payments (
  id BIGINT,
  order_id BIGINT,
  cents BIGINT,
  paid_at TIMESTAMP,
  WATERMARK FOR paid_at AS paid_at - INTERVAL '20' SECOND
) WITH (topic = 'payments', key = 'id');

-- The same topics as tables: the last of each key counts.
CREATE TABLE order_rows (id BIGINT PRIMARY KEY, customer_id BIGINT, cents BIGINT, ordered_at TIMESTAMP)
  WITH (topic = 'orders');
CREATE TABLE payment_rows (id BIGINT PRIMARY KEY, order_id BIGINT, cents BIGINT) WITH (topic = 'payments');
CREATE TABLE customers (id BIGINT PRIMARY KEY, name TEXT, country TEXT) WITH (topic = 'customers');

-- Whoever moves takes the totals of all earlier orders along: every join and the sums are corrected.
CREATE TABLE totals AS
SELECT c.country, date_trunc('minute', o.ordered_at) AS minute, count(*) AS orders, sum(p.cents) AS cents
FROM order_rows o
JOIN customers c ON o.customer_id = c.id
JOIN payment_rows p ON p.order_id = o.id
GROUP BY c.country, date_trunc('minute', o.ordered_at);

-- Payments that no order of the five minutes before them asked for.
CREATE STREAM late_payments AS
SELECT p.order_id, p.cents, p.paid_at
FROM payments p
LEFT JOIN orders o
  ON p.order_id = o.id AND p.paid_at BETWEEN o.ordered_at AND o.ordered_at + INTERVAL '5' MINUTE
WHERE o.id IS NULL;
