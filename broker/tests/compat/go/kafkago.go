package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/compress"
)

func kafkaGoCreate(ctx context.Context, bootstrap, topic string, partitions int) (*kafka.Client, error) {
	client := &kafka.Client{Addr: kafka.TCP(bootstrap), Timeout: 30 * time.Second}
	created, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}}})
	if err == nil {
		err = created.Errors[topic]
	}
	return client, err
}

func kafkaGoWrite(ctx context.Context, bootstrap, topic, tag string, codec compress.Compression, from, to int) error {
	writer := &kafka.Writer{Addr: kafka.TCP(bootstrap), Topic: topic, Compression: codec, RequiredAcks: kafka.RequireAll,
		BatchTimeout: 5 * time.Millisecond}
	var messages []kafka.Message
	for number := from; number < to; number++ {
		messages = append(messages, kafka.Message{Value: []byte(value(tag, number))})
	}
	if err := writer.WriteMessages(ctx, messages...); err != nil {
		return err
	}
	return writer.Close()
}

func kafkaGoCodecs(ctx context.Context, bootstrap, topic string) error {
	codecs := map[string]compress.Compression{"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4,
		"zstd": kafka.Zstd}
	for name, codec := range codecs {
		own := topic + "-" + name
		if _, err := kafkaGoCreate(ctx, bootstrap, own, 1); err != nil {
			return err
		}
		if err := kafkaGoWrite(ctx, bootstrap, own, name, codec, 0, records); err != nil {
			return err
		}
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, Topic: own, MaxWait: 100 * time.Millisecond})
		defer reader.Close()
		var got []string
		for len(got) < records {
			message, err := reader.ReadMessage(ctx)
			if err != nil {
				return fmt.Errorf("%s after %d: %w", name, len(got), err)
			}
			got = append(got, string(message.Value))
		}
		if err := complete(name, records, got); err != nil {
			return err
		}
	}
	return nil
}

func kafkaGoGroup(ctx context.Context, bootstrap, topic string) error {
	if _, err := kafkaGoCreate(ctx, bootstrap, topic, 4); err != nil {
		return err
	}
	seen := make(chan string, records*2)
	join := func() *kafka.Reader {
		reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{bootstrap}, GroupID: "group-" + topic, Topic: topic,
			StartOffset: kafka.FirstOffset, MaxWait: 100 * time.Millisecond, HeartbeatInterval: 300 * time.Millisecond})
		go func() {
			for {
				message, err := reader.ReadMessage(ctx)
				if err != nil {
					return
				}
				seen <- string(message.Value)
			}
		}()
		return reader
	}
	first, second := join(), join()
	defer second.Close()
	if err := kafkaGoWrite(ctx, bootstrap, topic, "g", 0, 0, records/2); err != nil {
		return err
	}
	distinct := map[string]bool{<-seen: true}
	if err := first.Close(); err != nil {
		return err
	}
	if err := kafkaGoWrite(ctx, bootstrap, topic, "g", 0, records/2, records); err != nil {
		return err
	}
	for len(distinct) < records {
		select {
		case found := <-seen:
			distinct[found] = true
		case <-ctx.Done():
			return fmt.Errorf("%d of %d records were seen", len(distinct), records)
		}
	}
	return nil
}

func kafkaGoAdmin(ctx context.Context, bootstrap, topic string) error {
	client, err := kafkaGoCreate(ctx, bootstrap, topic, 1)
	if err != nil {
		return err
	}
	if _, err := kafkaGoCreate(ctx, bootstrap, topic, 1); !errors.Is(err, kafka.TopicAlreadyExists) {
		return fmt.Errorf("a topic was created twice: %v", err)
	}
	if err := kafkaGoWrite(ctx, bootstrap, topic, "a", 0, 0, 50); err != nil {
		return err
	}
	offsets, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		topic: {kafka.FirstOffsetOf(0), kafka.LastOffsetOf(0)}}})
	if err != nil {
		return err
	}
	if found := offsets.Topics[topic][0]; found.Error != nil || found.FirstOffset != 0 || found.LastOffset != 50 {
		return fmt.Errorf("offsets %+v", found)
	}
	described, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{
		{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic, ConfigNames: []string{"retention.ms"}}}})
	if err != nil {
		return err
	}
	if entries := described.Resources[0].ConfigEntries; len(entries) != 1 || entries[0].ConfigValue != "604800000" {
		return fmt.Errorf("described %+v", entries)
	}
	deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err != nil {
		return err
	}
	return deleted.Errors[topic]
}
