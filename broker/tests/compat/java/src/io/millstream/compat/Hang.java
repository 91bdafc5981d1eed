package io.millstream.compat;

import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Hang BOOTSTRAP TOPIC TRANSACTIONAL_ID: opens a transaction, says so, and goes on with a commit only when told. Ends
 * with 3 when it is refused as a producer whose time is over.
 */
public final class Hang {
    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("transactional.id", arguments[2]);
        KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer());
        producer.initTransactions();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(arguments[1], 0, "key", "hanging")).get();
        System.out.println("open");
        System.out.flush();
        System.in.read();
        int code = 0;
        try {
            producer.commitTransaction();
        } catch (ProducerFencedException | InvalidProducerEpochException fenced) {
            code = 3;
        } catch (Exception failure) {
            failure.printStackTrace();
            code = 4;
        }
        Runtime.getRuntime().halt(code);
    }
}
