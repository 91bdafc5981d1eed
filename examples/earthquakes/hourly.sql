-- Events arrive in the order of their last update, so event time is far out of order: the watermark waits six hours.
CREATE STREAM quakes (
  id TEXT,
  time TIMESTAMP,
  magnitude DOUBLE,
  place TEXT,
  network TEXT,
  class TEXT,
  WATERMARK FOR time AS time - INTERVAL '6' HOUR
) WITH (topic = 'quakes', format = 'json', key = 'network');

CREATE TABLE hourly AS
SELECT
  network,
  window_start,
  window_end,
  count(*) AS quakes,
  max(magnitude) AS strongest,
  avg(magnitude) AS average
FROM TUMBLE(quakes, time, INTERVAL '1' HOUR)
WHERE magnitude >= 2.5
GROUP BY network, window_start, window_end
EMIT FINAL;
