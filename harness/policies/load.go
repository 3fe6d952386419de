package policies

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tidwall/redcon"
	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/internal/quantile"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// This file is the load: connections that send commands and count replies, and
// nothing else. The recording clients of package workloads keep a history,
// which costs more than the server's work on a command.

// replyTimeout is how long a client waits for a reply: an fsync on a busy disk
// may take seconds.
const replyTimeout = 30 * time.Second

// batch is one exchange of a client: commands sent at once and answered.
type batch struct {
	at   time.Duration // of the last reply, since the clients began
	took time.Duration
	n    int
}

// taken is what the clients of one round saw.
type taken struct {
	batches []batch // that ended after the warm-up
	from    time.Duration
	span    time.Duration
	all     int64 // operations, those of the warm-up included
}

// offer lets clients operate for the warm-up and a span.
func offer(ctx context.Context, addr string, o *result.Offered, warm, span time.Duration) (*taken, error) {
	began := time.Now()
	per := make([][]batch, o.Clients)
	var all atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for i := range o.Clients {
		group.Go(func() error {
			c, err := dial(addr, o, uint64(i))
			if err != nil {
				return err
			}
			defer c.Close()
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			due := time.Duration(0)
			for n := 0; ctx.Err() == nil; n++ {
				now := time.Since(began)
				if o.Rate > 0 {
					// An open loop: what is late is late since it was due, however long the
					// server made its client wait with the one before.
					due = time.Duration((float64(n)*float64(o.Clients) + float64(i)) * float64(o.Pipeline) / o.Rate * float64(time.Second))
					if now < due {
						time.Sleep(due - now)
					}
				} else {
					due = now
				}
				if due >= warm+span || now >= warm+span {
					return nil
				}
				if err := c.exchange(); err != nil {
					if ctx.Err() != nil {
						return context.Cause(ctx)
					}
					return err
				}
				all.Add(int64(o.Pipeline))
				if end := time.Since(began); end >= warm && end < warm+span {
					per[i] = append(per[i], batch{end, end - due, o.Pipeline})
				}
			}
			return context.Cause(ctx)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	t := &taken{from: warm, span: span, all: all.Load()}
	for _, list := range per {
		t.batches = append(t.batches, list...)
	}
	return t, nil
}

// cost sums a round up.
func (t *taken) cost() result.Cost {
	c := result.Cost{}
	c.P50, c.P99, c.P999 = latencies(t.batches)
	ops := 0
	for _, b := range t.batches {
		ops += b.n
	}
	c.Rate = math.Round(float64(ops) / t.span.Seconds())
	const tick = 100 * time.Millisecond
	ticks := make([][]batch, max(1, t.span/tick))
	for _, b := range t.batches {
		i := min(int((b.at-t.from)/tick), len(ticks)-1)
		ticks[i] = append(ticks[i], b)
	}
	for i, list := range ticks {
		n := 0
		for _, b := range list {
			n += b.n
		}
		_, p99, _ := latencies(list)
		c.Over = append(c.Over, result.Tick{AtMS: result.MS(time.Duration(i) * tick), Rate: float64(n) / tick.Seconds(), P99: p99})
	}
	return c
}

// latencies are quantiles over operations, each of which waited as long as its batch.
func latencies(batches []batch) (p50, p99, p999 float64) {
	if len(batches) == 0 {
		return 0, 0, 0
	}
	took := make([]time.Duration, len(batches))
	for i, b := range batches { // all batches are of one size, so that they weigh the same
		took[i] = b.took
	}
	slices.Sort(took)
	return result.MS(quantile.Median(took)), result.MS(quantile.Of(took, 0.99)), result.MS(quantile.Of(took, 0.999))
}

// client is one connection.
type client struct {
	*workloads.Conn
	draw *rand.Rand
	load *result.Offered
	pool string // random text that values are cut from: none compresses better than another
}

// dial connects a client, which has an environment of its own: clients do not wait for
// each other.
func dial(addr string, o *result.Offered, seed uint64) (*client, error) {
	c := &client{draw: rand.New(rand.NewPCG(seed, 1)), load: o}
	e := osenv.New("load", seed)
	e.Enter()
	var err error
	if c.Conn, err = workloads.Dial(e, addr); err != nil {
		return nil, err
	}
	pool := make([]byte, o.ValueSize+4096)
	for i := range pool {
		pool[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[c.draw.IntN(64)]
	}
	c.pool = string(pool)
	return c, nil
}

// exchange sends a batch and reads its replies.
func (c *client) exchange() error {
	return answered(c.Many(replyTimeout, c.load.Pipeline, c.load.Pipeline, func(int) []string {
		key := c.draw.IntN(c.load.Keys)
		if c.load.ReadRatio > 0 && c.draw.Float64() < c.load.ReadRatio {
			return []string{"GET", keyName(key)}
		}
		return c.set(key)
	}))
}

// set is the command that gives a key a fresh value.
func (c *client) set(key int) []string {
	from := c.draw.IntN(4096)
	return []string{"SET", keyName(key), c.pool[from : from+c.load.ValueSize]}
}

// answered is an error with who said it.
func answered(err error) error {
	var refused *workloads.ServerError
	if errors.As(err, &refused) {
		return fmt.Errorf("the server answers %w", err)
	}
	return err
}

func keyName(n int) string { return "key:" + strconv.Itoa(n) }

// do sends one command and returns its reply.
func (c *client) do(words ...string) (string, error) {
	r, err := c.Do(replyTimeout, words...)
	if err == nil && r.Type == redcon.Error {
		err = fmt.Errorf("the server answers %s", r.Data)
	}
	return string(r.Data), err
}

// fillBatch is how many commands are sent at once where only the result counts.
const fillBatch = 200

// fillKeys sets every key once when there are reads, so that they find something.
func fillKeys(addr string, o *result.Offered) error {
	if o.ReadRatio == 0 {
		return nil
	}
	c, err := dial(addr, o, 7)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.setAll(0, o.Keys, o.Keys)
}

// setAll makes writes from to to of a sequence that goes over the keys in turn.
func (c *client) setAll(from, to, keys int) error {
	return answered(c.Many(replyTimeout, to-from, fillBatch, func(i int) []string { return c.set((from + i) % keys) }))
}
