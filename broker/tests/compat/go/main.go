// Drives franz-go, sarama and kafka-go against one broker, one check per run: `compat CLIENT CHECK BOOTSTRAP TOPIC`.
// Every check prints `ok` at its end or fails with what was wrong.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"time"
)

type check func(ctx context.Context, bootstrap, topic string) error

var checks = map[string]map[string]check{
	"franz-go": {"codecs": franzCodecs, "transactions": franzTransactions, "group": franzGroup, "admin": franzAdmin},
	"sarama":   {"codecs": saramaCodecs, "transactions": saramaTransactions, "group": saramaGroup, "admin": saramaAdmin},
	"kafka-go": {"codecs": kafkaGoCodecs, "group": kafkaGoGroup, "admin": kafkaGoAdmin},
}

const records = 1000

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: compat CLIENT CHECK BOOTSTRAP TOPIC")
		os.Exit(2)
	}
	run, known := checks[os.Args[1]][os.Args[2]]
	if !known {
		fmt.Fprintf(os.Stderr, "no check %q of client %q\n", os.Args[2], os.Args[1])
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ok")
}

func value(tag string, number int) string { return fmt.Sprintf("%s-%06d", tag, number) }

// complete tells whether got holds the values of 0 to count once each.
func complete(tag string, count int, got []string) error {
	sort.Strings(got)
	if len(got) != count {
		return fmt.Errorf("%s: %d values, expected %d", tag, len(got), count)
	}
	for number, found := range got {
		if found != value(tag, number) {
			return fmt.Errorf("%s: expected %s, got %s", tag, value(tag, number), found)
		}
	}
	return nil
}
