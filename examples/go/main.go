// A small application that writes to Redis through Sentinel with go-redis, and keeps a journal:
//
//	eval "$(torntail topology env)"
//	go run ./examples/go write app.journal 8s     # writes for 8 seconds
//	go run ./examples/go lost app.journal         # which acknowledged writes are gone
//
// docs/account.md describes the journal; torntail topology account --journal app.journal
// accounts for the same writes.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

func main() {
	log.SetFlags(0)
	redis.SetLogger(silent{})
	if len(os.Args) < 3 {
		log.Fatal("usage: write JOURNAL DURATION, or lost JOURNAL")
	}
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:       os.Getenv("TORNTAIL_MASTER_NAME"),
		SentinelAddrs:    strings.Split(os.Getenv("TORNTAIL_SENTINELS"), ","),
		SentinelPassword: os.Getenv("TORNTAIL_PASSWORD"),
		Password:         os.Getenv("TORNTAIL_PASSWORD"),
		MaxRetries:       -1, // a write is sent once: sent again, it might take effect twice
		ReadTimeout:      500 * time.Millisecond,
		WriteTimeout:     500 * time.Millisecond,
	})
	defer client.Close()
	var err error
	if os.Args[1] == "write" {
		err = write(client, os.Args[2], os.Args[3])
	} else {
		err = lost(client, os.Args[2])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// silent leaves go-redis's own log out.
type silent struct{}

func (silent) Printf(context.Context, string, ...interface{}) {}

// write writes payments, each under a key of its own.
func write(client *redis.Client, path, duration string) error {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	journal, err := os.Create(path)
	if err != nil {
		return err
	}
	defer journal.Close()
	fmt.Fprintln(journal, "torntail journal 1")
	for number, end := 1, time.Now().Add(d); time.Now().Before(end); number++ {
		key, value := fmt.Sprintf("payment:%d", number), fmt.Sprintf("done:%d", number%100)
		fmt.Fprintf(journal, "send %d SET %s %s\n", number, key, value)
		err := client.Set(context.Background(), key, value, 0).Err()
		refused := redis.Error(nil)
		switch {
		case err == nil:
			fmt.Fprintf(journal, "ok %d\n", number)
		case errors.As(err, &refused):
			fmt.Fprintf(journal, "error %d %s\n", number, refused)
		default:
			fmt.Fprintf(journal, "unknown %d %s\n", number, err)
		}
		if err != nil {
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// lost prints the numbers of acknowledged payments that this application itself finds to be gone.
func lost(client *redis.Client, path string) error {
	journal, err := os.Open(path)
	if err != nil {
		return err
	}
	defer journal.Close()
	for lines := bufio.NewScanner(journal); lines.Scan(); {
		number, acknowledged := strings.CutPrefix(lines.Text(), "ok ")
		if !acknowledged {
			continue
		}
		switch value, err := client.Get(context.Background(), "payment:"+number).Result(); {
		case errors.Is(err, redis.Nil) || err == nil && !strings.HasPrefix(value, "done:"):
			fmt.Println(number)
		case err != nil:
			return err
		}
	}
	return nil
}
