"""copier.py BOOTSTRAP FROM TO GROUP TRANSACTIONAL_ID: copies a topic in transactions until it is killed (librdkafka).

Prints `copied N` behind every commit. Ends with 3 when another copier took over.
"""

import sys

from confluent_kafka import Consumer, KafkaException, Producer

bootstrap, source, target, group, transactional_id = sys.argv[1:]
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "group.instance.id": transactional_id,
                     "auto.offset.reset": "earliest", "enable.auto.commit": False, "session.timeout.ms": 6_000,
                     "isolation.level": "read_committed"})
producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": transactional_id, "linger.ms": 2,
                     "transaction.timeout.ms": 20_000,
                     # librdkafka 2.16 that starts over from its bootstrap addresses remembers the group's coordinator as
                     # a broker that it has dropped, and never sends the offsets of the next transaction.
                     "metadata.recovery.strategy": "none"})


def copy(messages):
    producer.begin_transaction()
    for message in messages:
        producer.produce(target, b"copied " + message.value(), message.key())
    producer.send_offsets_to_transaction(consumer.position(consumer.assignment()), consumer.consumer_group_metadata(), 30)
    producer.commit_transaction(30)
    print("copied", len(messages), flush=True)


def rewind():
    for place in consumer.committed(consumer.assignment(), 30):
        place.offset = max(place.offset, 0)
        consumer.seek(place)


try:
    producer.init_transactions(30)
    consumer.subscribe([source])
    while True:
        messages = [message for message in consumer.consume(50, 0.1) if not message.error()]
        if not messages:
            continue
        try:
            copy(messages)
        except KafkaException as error:
            if not error.args[0].txn_requires_abort():
                raise
            producer.abort_transaction(30)
            rewind()
except KafkaException as error:
    print("stopped:", error, file=sys.stderr, flush=True)
    sys.exit(3 if error.args[0].fatal() else 4)
