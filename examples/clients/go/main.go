// A producer with delivery reports and a consumer that subscribes to one topic by name and to others by a pattern,
// with confluent-kafka-go (librdkafka). The topics are created on demand.
//
//	go run . -bootstrap 127.0.0.1:9092 -records 100
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// The consumer names the first topic; the pattern finds the other two.
var (
	topics        = []string{"myTopic", "aRegexTopic", "aRegexOtherTopic"}
	subscriptions = []string{"myTopic", "^aRegex.*[Tt]opic"}
)

func main() {
	bootstrap := flag.String("bootstrap", "127.0.0.1:9092", "address of the broker")
	records := flag.Int("records", 100, "records to send to each topic")
	patience := flag.Duration("patience", time.Minute, "how long to wait for the records to come back")
	flag.Parse()
	if err := produce(*bootstrap, *records); err != nil {
		log.Fatal("produce: ", err)
	}
	if err := consume(*bootstrap, *records*len(topics), *patience); err != nil {
		log.Fatal("consume: ", err)
	}
}

func produce(bootstrap string, records int) error {
	producer, err := kafka.NewProducer(&kafka.ConfigMap{"bootstrap.servers": bootstrap, "enable.idempotence": true})
	if err != nil {
		return err
	}
	defer producer.Close()
	reports := make(chan kafka.Event, records*len(topics))
	for number := range records {
		for _, topic := range topics {
			err := producer.Produce(&kafka.Message{
				TopicPartition: kafka.TopicPartition{Topic: &topic, Partition: kafka.PartitionAny},
				Value:          fmt.Appendf(nil, "record %d of %s", number, topic),
			}, reports)
			if err != nil {
				return err
			}
		}
	}
	delivered := 0
	for range records * len(topics) {
		report := (<-reports).(*kafka.Message)
		if report.TopicPartition.Error != nil {
			return fmt.Errorf("delivery to %v: %w", report.TopicPartition, report.TopicPartition.Error)
		}
		delivered++
	}
	fmt.Printf("delivered %d records\n", delivered)
	return nil
}

func consume(bootstrap string, expected int, patience time.Duration) error {
	consumer, err := kafka.NewConsumer(&kafka.ConfigMap{
		"bootstrap.servers": bootstrap,
		"group.id":          fmt.Sprintf("example-%d", time.Now().UnixNano()),
		"auto.offset.reset": "earliest",
		// How soon the pattern finds topics that are new.
		"topic.metadata.refresh.interval.ms": 1000,
	})
	if err != nil {
		return err
	}
	defer consumer.Close()
	if err := consumer.SubscribeTopics(subscriptions, nil); err != nil {
		return err
	}
	counts := map[string]int{}
	deadline := time.Now().Add(patience)
	for read := 0; read < expected; {
		message, err := consumer.ReadMessage(time.Second)
		var failure kafka.Error
		switch {
		case err == nil:
			counts[*message.TopicPartition.Topic]++
			read++
		case errors.As(err, &failure) && failure.IsTimeout():
			if time.Now().After(deadline) {
				return fmt.Errorf("%d of %d records came within %v: %v", read, expected, patience, counts)
			}
		default:
			return err
		}
	}
	for _, topic := range topics {
		fmt.Printf("read %d records of %s\n", counts[topic], topic)
	}
	return nil
}
