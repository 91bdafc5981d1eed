package io.millstream.compat;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.ArrayList;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Copier BOOTSTRAP FROM TO GROUP TRANSACTIONAL_ID: copies a topic in transactions until it is killed. Prints
 * {@code copied N} behind every commit. Ends with 3 when another copier took over.
 */
public final class Copier {
    private final KafkaConsumer<String, String> consumer;
    private final KafkaProducer<String, String> producer;
    private final String target;

    private Copier(String bootstrap, String target, String group, String transactionalId) {
        this.target = target;
        Properties reading = new Properties();
        reading.put("bootstrap.servers", bootstrap);
        reading.put("group.id", group);
        reading.put("group.instance.id", transactionalId);
        reading.put("auto.offset.reset", "earliest");
        reading.put("enable.auto.commit", "false");
        reading.put("session.timeout.ms", "6000");
        reading.put("heartbeat.interval.ms", "500");
        reading.put("isolation.level", "read_committed");
        reading.put("max.poll.records", "50");
        consumer = new KafkaConsumer<>(reading, new StringDeserializer(), new StringDeserializer());
        Properties writing = new Properties();
        writing.put("bootstrap.servers", bootstrap);
        writing.put("transactional.id", transactionalId);
        writing.put("transaction.timeout.ms", "20000");
        producer = new KafkaProducer<>(writing, new StringSerializer(), new StringSerializer());
    }

    public static void main(String[] arguments) {
        Copier copier = new Copier(arguments[0], arguments[2], arguments[3], arguments[4]);
        try {
            copier.run(arguments[1]);
        } catch (ProducerFencedException | InvalidProducerEpochException | FencedInstanceIdException fenced) {
            System.err.println("stopped: " + fenced);
            Runtime.getRuntime().halt(3);
        } catch (Exception failure) {
            failure.printStackTrace();
            Runtime.getRuntime().halt(4);
        }
    }

    private void run(String source) throws Exception {
        producer.initTransactions();
        consumer.subscribe(List.of(source));
        while (true) {
            ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(100));
            if (records.isEmpty()) {
                continue;
            }
            try {
                copy(records);
            } catch (ProducerFencedException | InvalidProducerEpochException | FencedInstanceIdException fenced) {
                throw fenced;
            } catch (KafkaException abortable) {
                System.err.println("aborting: " + abortable);
                producer.abortTransaction();
                rewind();
            }
        }
    }

    private void copy(ConsumerRecords<String, String> records) throws Exception {
        producer.beginTransaction();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
        for (ConsumerRecord<String, String> record : records) {
            sent.add(producer.send(new ProducerRecord<>(target, record.key(), "copied " + record.value())));
            TopicPartition place = new TopicPartition(record.topic(), record.partition());
            positions.put(place, new OffsetAndMetadata(record.offset() + 1));
        }
        producer.sendOffsetsToTransaction(positions, consumer.groupMetadata());
        producer.commitTransaction();
        System.out.println("copied " + records.count());
        System.out.flush();
    }

    private void rewind() {
        Map<TopicPartition, OffsetAndMetadata> committed = consumer.committed(consumer.assignment());
        for (TopicPartition place : consumer.assignment()) {
            OffsetAndMetadata position = committed.get(place);
            consumer.seek(place, position == null ? 0 : position.offset());
        }
    }
}
