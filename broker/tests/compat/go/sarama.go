package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

func saramaConfig() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.Return.Successes = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	return config
}

func saramaCreate(bootstrap, topic string, partitions int32) (sarama.ClusterAdmin, error) {
	admin, err := sarama.NewClusterAdmin([]string{bootstrap}, saramaConfig())
	if err != nil {
		return nil, err
	}
	return admin, admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
}

func saramaMessages(topic, tag string, from, to int) []*sarama.ProducerMessage {
	var messages []*sarama.ProducerMessage
	for number := from; number < to; number++ {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(value(tag, number))})
	}
	return messages
}

// saramaRead reads count records of every partition of a topic.
func saramaRead(ctx context.Context, bootstrap, topic string, partitions int32, count int) ([]string, error) {
	consumer, err := sarama.NewConsumer([]string{bootstrap}, saramaConfig())
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	merged := make(chan string, count)
	for partition := range partitions {
		reader, err := consumer.ConsumePartition(topic, partition, sarama.OffsetOldest)
		if err != nil {
			return nil, err
		}
		defer reader.Close()
		go func() {
			for message := range reader.Messages() {
				merged <- string(message.Value)
			}
		}()
	}
	var values []string
	for len(values) < count {
		select {
		case found := <-merged:
			values = append(values, found)
		case <-ctx.Done():
			return values, fmt.Errorf("%d of %d records came", len(values), count)
		}
	}
	return values, nil
}

func saramaCodecs(ctx context.Context, bootstrap, topic string) error {
	codecs := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy,
		sarama.CompressionLZ4, sarama.CompressionZSTD}
	for _, codec := range codecs {
		own := topic + "-" + codec.String()
		admin, err := saramaCreate(bootstrap, own, 3)
		if err != nil {
			return err
		}
		defer admin.Close()
		config := saramaConfig()
		config.Producer.Compression = codec
		producer, err := sarama.NewSyncProducer([]string{bootstrap}, config)
		if err != nil {
			return err
		}
		defer producer.Close()
		if err := producer.SendMessages(saramaMessages(own, codec.String(), 0, records)); err != nil {
			return err
		}
		got, err := saramaRead(ctx, bootstrap, own, 3, records)
		if err != nil {
			return err
		}
		if err := complete(codec.String(), records, got); err != nil {
			return err
		}
	}
	return nil
}

// Transactions of version 1: every third is aborted, and an older producer is fenced.
func saramaTransactions(ctx context.Context, bootstrap, topic string) error {
	admin, err := saramaCreate(bootstrap, topic, 2)
	if err != nil {
		return err
	}
	defer admin.Close()
	config := saramaConfig()
	config.Producer.Transaction.ID = "tx-" + topic
	older, err := sarama.NewSyncProducer([]string{bootstrap}, config)
	if err != nil {
		return err
	}
	defer older.Close()
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, config)
	if err != nil {
		return err
	}
	defer producer.Close()
	kept := 0
	for round := range 15 {
		if err := producer.BeginTxn(); err != nil {
			return err
		}
		abort := round%3 == 2
		from, tag := kept, "s"
		if abort {
			tag = "dropped"
		}
		if err := producer.SendMessages(saramaMessages(topic, tag, from, from+100)); err != nil {
			return err
		}
		if abort {
			err = producer.AbortTxn()
		} else {
			kept += 100
			err = producer.CommitTxn()
		}
		if err != nil {
			return err
		}
	}
	got, err := saramaRead(ctx, bootstrap, topic, 2, kept)
	if err != nil {
		return err
	}
	if err := complete("s", kept, got); err != nil {
		return err
	}
	if err := older.BeginTxn(); err != nil {
		return err
	}
	sent := older.SendMessages(saramaMessages(topic, "zombie", 0, 1))
	if sent == nil {
		sent = older.CommitTxn()
	}
	if sent == nil {
		return errors.New("a fenced producer committed")
	}
	return nil
}

// saramaMember counts what it sees.
type saramaMember struct {
	lock  *sync.Mutex
	seen  map[string]bool
	ready chan struct{}
}

func (member saramaMember) Setup(sarama.ConsumerGroupSession) error {
	select {
	case member.ready <- struct{}{}:
	default:
	}
	return nil
}

func (member saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (member saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		member.lock.Lock()
		member.seen[string(message.Value)] = true
		member.lock.Unlock()
		session.MarkMessage(message, "")
	}
	return nil
}

func saramaGroup(ctx context.Context, bootstrap, topic string) error {
	admin, err := saramaCreate(bootstrap, topic, 6)
	if err != nil {
		return err
	}
	defer admin.Close()
	member := saramaMember{&sync.Mutex{}, map[string]bool{}, make(chan struct{}, 8)}
	join := func() (sarama.ConsumerGroup, error) {
		config := saramaConfig()
		config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
		group, err := sarama.NewConsumerGroup([]string{bootstrap}, "group-"+topic, config)
		if err != nil {
			return nil, err
		}
		go func() {
			for ctx.Err() == nil {
				if err := group.Consume(ctx, []string{topic}, member); errors.Is(err, sarama.ErrClosedConsumerGroup) {
					return
				}
			}
		}()
		return group, nil
	}
	first, err := join()
	if err != nil {
		return err
	}
	second, err := join()
	if err != nil {
		return err
	}
	defer second.Close()
	<-member.ready
	producer, err := sarama.NewSyncProducer([]string{bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer producer.Close()
	if err := producer.SendMessages(saramaMessages(topic, "g", 0, records/2)); err != nil {
		return err
	}
	if err := first.Close(); err != nil {
		return err
	}
	if err := producer.SendMessages(saramaMessages(topic, "g", records/2, records)); err != nil {
		return err
	}
	for {
		member.lock.Lock()
		count := len(member.seen)
		member.lock.Unlock()
		if count == records {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d records were seen", count, records)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func saramaAdmin(_ context.Context, bootstrap, topic string) error {
	admin, err := saramaCreate(bootstrap, topic, 2)
	if err != nil {
		return err
	}
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}
	if err := admin.CreateTopic(topic, detail, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("a topic was created twice: %v", err)
	}
	if err := admin.CreatePartitions(topic, 4, nil, false); err != nil {
		return err
	}
	retention := "3600000"
	if err := admin.AlterConfig(sarama.TopicResource, topic, map[string]*string{"retention.ms": &retention}, false); err != nil {
		return err
	}
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic,
		ConfigNames: []string{"retention.ms"}})
	if err != nil {
		return err
	}
	if len(entries) != 1 || entries[0].Value != retention {
		return fmt.Errorf("described %v", entries)
	}
	client, err := sarama.NewClient([]string{bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer client.Close()
	if partitions, err := client.Partitions(topic); err != nil || len(partitions) != 4 {
		return fmt.Errorf("%d partitions: %v", len(partitions), err)
	}
	producer, err := sarama.NewSyncProducerFromClient(client)
	if err != nil {
		return err
	}
	start := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	var last sarama.ProducerMessage
	for number := range 50 {
		last = sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder("same"), Value: sarama.StringEncoder("x"),
			Timestamp: start.Add(time.Duration(number) * time.Second)}
		if _, _, err := producer.SendMessage(&last); err != nil {
			return err
		}
	}
	offset, err := client.GetOffset(topic, last.Partition, start.Add(30*time.Second).UnixMilli())
	if err != nil || offset != 30 {
		return fmt.Errorf("offset by time is %d, expected 30: %v", offset, err)
	}
	if err := admin.DeleteRecords(topic, map[int32]int64{last.Partition: 10}); err != nil {
		return err
	}
	if oldest, err := client.GetOffset(topic, last.Partition, sarama.OffsetOldest); err != nil || oldest != 10 {
		return fmt.Errorf("oldest offset is %d, expected 10: %v", oldest, err)
	}
	return admin.DeleteTopic(topic)
}
