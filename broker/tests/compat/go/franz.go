package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func franzCreate(ctx context.Context, bootstrap, topic string, partitions int32) (*kadm.Client, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return nil, err
	}
	admin := kadm.NewClient(client)
	created, err := admin.CreateTopic(ctx, partitions, 1, nil, topic)
	if err == nil {
		err = created.Err
	}
	return admin, err
}

func franzRead(ctx context.Context, client *kgo.Client, count int) ([]string, error) {
	var values []string
	for len(values) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return values, fmt.Errorf("after %d of %d: %w", len(values), count, err)
		}
		fetches.EachRecord(func(record *kgo.Record) { values = append(values, string(record.Value)) })
	}
	return values, nil
}

func franzCodecs(ctx context.Context, bootstrap, topic string) error {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	for name, codec := range codecs {
		own := topic + "-" + name
		admin, err := franzCreate(ctx, bootstrap, own, 3)
		if err != nil {
			return err
		}
		defer admin.Close()
		client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ProducerBatchCompression(codec),
			kgo.ConsumeTopics(own), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if err != nil {
			return err
		}
		defer client.Close()
		for number := range records {
			client.Produce(ctx, &kgo.Record{Topic: own, Value: []byte(value(name, number))}, nil)
		}
		if err := client.Flush(ctx); err != nil {
			return err
		}
		got, err := franzRead(ctx, client, records)
		if err != nil {
			return err
		}
		if err := complete(name, records, got); err != nil {
			return err
		}
	}
	return nil
}

// Copies a topic in transactions of version 2, aborting every third, and fences an older producer.
func franzTransactions(ctx context.Context, bootstrap, topic string) error {
	for _, name := range []string{topic, topic + "-out"} {
		admin, err := franzCreate(ctx, bootstrap, name, 2)
		if err != nil {
			return err
		}
		defer admin.Close()
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return err
	}
	defer producer.Close()
	for number := range records {
		producer.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte(value("t", number))}, nil)
	}
	if err := producer.Flush(ctx); err != nil {
		return err
	}
	session, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(bootstrap), kgo.TransactionalID("tx-"+topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumerGroup("group-"+topic), kgo.ConsumeTopics(topic),
		kgo.RequireStableFetchOffsets(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer session.Close()
	for copied, round := 0, 0; copied < records; round++ {
		fetches := session.PollRecords(ctx, 70)
		if err := fetches.Err(); err != nil {
			return err
		}
		if err := session.Begin(); err != nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			session.Produce(ctx, &kgo.Record{Topic: topic + "-out", Value: record.Value}, nil)
		})
		committed, err := session.End(ctx, kgo.TransactionEndTry(round%3 != 0))
		if err != nil {
			return err
		}
		if committed {
			copied += fetches.NumRecords()
		}
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumeTopics(topic+"-out"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer reader.Close()
	got, err := franzRead(ctx, reader, records)
	if err != nil {
		return err
	}
	return complete("t", records, got)
}

func franzGroup(ctx context.Context, bootstrap, topic string) error {
	admin, err := franzCreate(ctx, bootstrap, topic, 6)
	if err != nil {
		return err
	}
	defer admin.Close()
	var lock sync.Mutex
	var seen []string
	member := func(ctx context.Context) (*kgo.Client, error) {
		client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumerGroup("group-"+topic), kgo.ConsumeTopics(topic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitMarks(), kgo.BlockRebalanceOnPoll())
		if err != nil {
			return nil, err
		}
		go func() {
			for {
				fetches := client.PollFetches(ctx)
				if fetches.IsClientClosed() || ctx.Err() != nil {
					return
				}
				lock.Lock()
				fetches.EachRecord(func(record *kgo.Record) {
					seen = append(seen, string(record.Value))
					client.MarkCommitRecords(record)
				})
				lock.Unlock()
				client.AllowRebalance()
			}
		}()
		return client, nil
	}
	first, err := member(ctx)
	if err != nil {
		return err
	}
	second, err := member(ctx)
	if err != nil {
		return err
	}
	defer second.Close()
	for number := range records {
		second.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte(value("g", number))}, nil)
		if number == records/2 {
			if err := second.Flush(ctx); err != nil {
				return err
			}
			first.CloseAllowingRebalance()
		}
	}
	if err := second.Flush(ctx); err != nil {
		return err
	}
	for {
		lock.Lock()
		distinct := map[string]bool{}
		for _, found := range seen {
			distinct[found] = true
		}
		lock.Unlock()
		if len(distinct) == records {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d records were seen", len(distinct), records)
		case <-time.After(20 * time.Millisecond):
		}
	}
	// A cooperative rebalance has a second round.
	for {
		described, err := admin.DescribeGroups(ctx, "group-"+topic)
		if err != nil {
			return err
		}
		if found := described["group-"+topic]; found.State == "Stable" && len(found.Members) == 1 {
			return nil
		}
	}
}

func franzAdmin(ctx context.Context, bootstrap, topic string) error {
	admin, err := franzCreate(ctx, bootstrap, topic, 2)
	if err != nil {
		return err
	}
	defer admin.Close()
	again, _ := admin.CreateTopic(ctx, 1, 1, nil, topic)
	if !errors.Is(again.Err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("a topic was created twice: %v", again.Err)
	}
	grown, err := admin.UpdatePartitions(ctx, 5, topic)
	if err != nil {
		return err
	}
	if err := grown.Error(); err != nil {
		return err
	}
	details, err := admin.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	if count := len(details[topic].Partitions); count != 5 {
		return fmt.Errorf("%d partitions, expected 5", count)
	}
	retention := "3600000"
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &retention}}, topic)
	if err != nil {
		return err
	}
	if altered[0].Err != nil {
		return altered[0].Err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer client.Close()
	start := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	for number := range 100 {
		record := &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: start.Add(time.Duration(number) * time.Second)}
		if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return err
		}
	}
	found, err := admin.ListOffsetsAfterMilli(ctx, start.Add(60*time.Second).UnixMilli(), topic)
	if err != nil {
		return err
	}
	if offset, _ := found.Lookup(topic, 0); offset.Offset != 60 {
		return fmt.Errorf("offset by time is %d, expected 60", offset.Offset)
	}
	deleted, err := admin.DeleteTopics(ctx, topic)
	if err != nil {
		return err
	}
	return deleted.Error()
}
