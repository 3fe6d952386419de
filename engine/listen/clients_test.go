package listen_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// goRedisCalls are what a program does with the library that most Go programs take. What
// is drawn by chance or depends on the hour is not among them, nor the order of hash tables.
var goRedisCalls = []func(context.Context, *redis.Client) redis.Cmder{
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Ping(ctx) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Echo(ctx, "a b\r\n") },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.Do(ctx, "CLIENT", "SETNAME", "goredis")
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.DBSize(ctx) },
	// strings
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Set(ctx, "s", "v", time.Hour) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Persist(ctx, "s") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.TTL(ctx, "s") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SetNX(ctx, "s", "w", 0) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SetXX(ctx, "s", "w", time.Hour) },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.SetArgs(ctx, "s", "x", redis.SetArgs{Get: true, KeepTTL: true})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.GetEx(ctx, "s", time.Hour) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Append(ctx, "s", "yz") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.GetRange(ctx, "s", 1, -1) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SetRange(ctx, "s", 5, "!") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.StrLen(ctx, "s") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.GetDel(ctx, "s") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Get(ctx, "s") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.MSet(ctx, "n", 1, "f", 1.5) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.MSetNX(ctx, "n", 1, "g", 1) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.IncrBy(ctx, "n", 41) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Decr(ctx, "n") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.IncrByFloat(ctx, "f", 0.1) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.MGet(ctx, "n", "f", "absent") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SetBit(ctx, "bits", 70, 1) },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.BitCount(ctx, "bits", &redis.BitCount{Start: 0, End: -1, Unit: "BIT"})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.BitPos(ctx, "bits", 1) },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.BitField(ctx, "bits", "INCRBY", "u4", 3, 5)
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.BitOpNot(ctx, "tips", "bits") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.PFAdd(ctx, "hll", "a", "b", "c") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.PFCount(ctx, "hll") },
	// lists
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.RPush(ctx, "l", "a", "b", "c", "b") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.LInsertBefore(ctx, "l", "c", "x") },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.LPos(ctx, "l", "b", redis.LPosArgs{Rank: -1})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.LRem(ctx, "l", -1, "b") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.LMove(ctx, "l", "m", "LEFT", "RIGHT") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.LMPop(ctx, "right", 2, "absent", "l") },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.BLPop(ctx, time.Second, "absent", "l")
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.BRPop(ctx, time.Second, "absent") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.LRange(ctx, "m", 0, -1) },
	// hashes
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.HSet(ctx, "h", "a", 1, "b", "two") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.HIncrBy(ctx, "h", "a", 2) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.HIncrByFloat(ctx, "h", "c", 0.25) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.HMGet(ctx, "h", "a", "c", "z") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.HKeys(ctx, "h") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.HScan(ctx, "h", 0, "*", 10) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.HDel(ctx, "h", "a", "z") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.HLen(ctx, "h") },
	// sets
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SAdd(ctx, "x", 1, 2, 3) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SAdd(ctx, "y", 2, 3, 4) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SInter(ctx, "x", "y") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SInterCard(ctx, 1, "x", "y") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SDiffStore(ctx, "z", "x", "y") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SMIsMember(ctx, "z", 1, 2) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SMove(ctx, "x", "z", 2) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SCard(ctx, "z") },
	// sorted sets
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.ZAdd(ctx, "zs", redis.Z{Score: 1, Member: "a"}, redis.Z{Score: 2.5, Member: "b"}, redis.Z{Score: 3, Member: "c"})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.ZAddArgs(ctx, "zs", redis.ZAddArgs{GT: true, Ch: true, Members: []redis.Z{{Score: 9, Member: "a"}, {Score: 1, Member: "c"}}})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ZIncrBy(ctx, "zs", -0.5, "b") },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{Key: "zs", Start: "-inf", Stop: "+inf", ByScore: true, Rev: true, Count: 2})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ZRankWithScore(ctx, "zs", "c") }, // 7.2 has it
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ZRevRank(ctx, "zs", "b") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ZCount(ctx, "zs", "(2", "+inf") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ZMScore(ctx, "zs", "a", "none") },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.ZUnionWithScores(ctx, redis.ZStore{Keys: []string{"zs", "z"}, Weights: []float64{2, 1}, Aggregate: "MAX"})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ZPopMax(ctx, "zs", 1) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.BZPopMin(ctx, time.Second, "zs") },
	// places
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.GeoAdd(ctx, "geo", &redis.GeoLocation{Name: "Palermo", Longitude: 13.361389, Latitude: 38.115556}, &redis.GeoLocation{Name: "Catania", Longitude: 15.087269, Latitude: 37.502669})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.GeoDist(ctx, "geo", "Palermo", "Catania", "km")
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.GeoHash(ctx, "geo", "Catania", "absent")
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.GeoSearchLocation(ctx, "geo", &redis.GeoSearchLocationQuery{WithDist: true, WithCoord: true,
			GeoSearchQuery: redis.GeoSearchQuery{Longitude: 15, Latitude: 37, Radius: 200, RadiusUnit: "km", Sort: "ASC"}})
	},
	// streams
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.XAdd(ctx, &redis.XAddArgs{Stream: "st", ID: "1-1", Values: []any{"k", "v"}})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.XAdd(ctx, &redis.XAddArgs{Stream: "st", ID: "1-*", MaxLen: 10, Approx: true, Values: []any{"k", "w"}})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.XGroupCreateMkStream(ctx, "st", "g", "0")
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c1", Streams: []string{"st", ">"}, Count: 1, Block: time.Second})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.XPending(ctx, "st", "g") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.XAck(ctx, "st", "g", "1-1") },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.XReadGroup(ctx, &redis.XReadGroupArgs{Group: "g", Consumer: "c1", Streams: []string{"st", ">"}, Block: -1})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.XAutoClaim(ctx, &redis.XAutoClaimArgs{Stream: "st", Group: "g", Consumer: "c2", Start: "0"})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.XInfoGroups(ctx, "st") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.XRevRangeN(ctx, "st", "+", "-", 1) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.XTrimMinID(ctx, "st", "1-2") },
	// keys
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Type(ctx, "st") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Rename(ctx, "m", "l") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Copy(ctx, "l", "l2", 0, false) },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.Sort(ctx, "x", &redis.Sort{Order: "DESC", Get: []string{"#", "absent-*"}})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ExpireNX(ctx, "l", time.Hour) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ExpireAt(ctx, "l2", time.Unix(1, 0)) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Exists(ctx, "l", "l2", "l") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ObjectEncoding(ctx, "h") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Unlink(ctx, "l", "z", "absent") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.Move(ctx, "hll", 3) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.LPush(ctx, "h", "wrong type") },
	// scripts and functions
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return redis.NewScript(`return redis.call('INCRBY', KEYS[1], ARGV[1])`).Run(ctx, c, []string{"n"}, 7)
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return redis.NewScript(`return {KEYS[1], ARGV, 3.9, false, {ok = 'fine'}}`).RunRO(ctx, c, []string{"n"}, "x", 7)
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.Eval(ctx, `return redis.call('nosuch')`, nil)
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ScriptExists(ctx, "0", "1") },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.FunctionLoad(ctx, "#!lua name=lib\nredis.register_function('f', function(keys, args) return redis.call('SET', keys[1], args[1]) end)")
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.FCall(ctx, "f", []string{"byf"}, "v") },
	func(ctx context.Context, c *redis.Client) redis.Cmder {
		return c.FunctionList(ctx, redis.FunctionListQuery{LibraryNamePattern: "l*", WithCode: true})
	},
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.ConfigGet(ctx, "maxmemory-policy") },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.SlowLogGet(ctx, 0) },
	func(ctx context.Context, c *redis.Client) redis.Cmder { return c.FlushDBAsync(ctx) },
}

// A program that uses go-redis finds the same answers: single calls, pipelines,
// transactions that watch, iterators, subscriptions, and the locks of redsync.
func TestGoRedisLikeRedis(t *testing.T) {
	want, got := useGoRedis(t, realRedis(t)), useGoRedis(t, start(t, t.TempDir()).addr)
	assert.Equal(t, strings.Join(want, "\n"), strings.Join(got, "\n"))
	assert.Greater(t, len(want), len(goRedisCalls))
}

// useGoRedis returns what each call answered.
func useGoRedis(t *testing.T, addr string) (said []string) {
	ctx := t.Context()
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	defer c.Close()
	say := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	failed := 0
	for _, call := range goRedisCalls {
		cmd := call(ctx, c)
		say("%s", cmd)
		if err := cmd.Err(); err != nil && err != redis.Nil {
			failed++
		}
	}
	require.Equal(t, 3, failed, "the wrong type, the score that 7.2 has, the script's unknown command:\n%s", strings.Join(said, "\n"))

	commands, err := c.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range 100 {
			p.RPush(ctx, "piped", i)
		}
		p.Incr(ctx, "piped")
		p.LLen(ctx, "piped")
		return nil
	})
	say("pipelined: %s, %v", commands[101], err)
	commands, err = c.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.Set(ctx, "tx", 1, 0)
		p.IncrBy(ctx, "tx", 2)
		return nil
	})
	say("transaction: %v, %v", commands, err)
	// Another client writes what is watched.
	err = c.Watch(ctx, func(tx *redis.Tx) error {
		if err := c.Set(ctx, "tx", 10, 0).Err(); err != nil {
			return err
		}
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, "tx", 0, 0).Err() })
		return err
	}, "tx")
	require.ErrorIs(t, err, redis.TxFailedErr)
	say("watched: %v, %s", err, c.Get(ctx, "tx"))

	found := map[string]bool{}
	for it := c.ScanType(ctx, 0, "*", 3, "string").Iterator(); it.Next(ctx); {
		found[it.Val()] = true
	}
	say("scanned: %v", found)

	sub := c.Subscribe(ctx, "news")
	_, err = sub.Receive(ctx)
	require.NoError(t, err)
	require.NoError(t, sub.PSubscribe(ctx, "n*"))
	_, err = sub.Receive(ctx)
	require.NoError(t, err)
	say("published: %s", c.Publish(ctx, "news", "hello"))
	for range 2 {
		m, err := sub.ReceiveMessage(ctx)
		require.NoError(t, err)
		say("received: %+v", *m)
	}
	say("channels: %s, %s, %s", c.PubSubChannels(ctx, "*"), c.PubSubNumSub(ctx, "news", "olds"), c.PubSubNumPat(ctx))
	require.NoError(t, sub.Close())

	locks := redsync.New(goredis.NewPool(c))
	one := locks.NewMutex("lock", redsync.WithExpiry(time.Hour), redsync.WithGenValueFunc(func() (string, error) { return "one", nil }))
	two := locks.NewMutex("lock", redsync.WithExpiry(time.Hour), redsync.WithTries(1), redsync.WithGenValueFunc(func() (string, error) { return "two", nil }))
	require.NoError(t, one.LockContext(ctx))
	err = two.LockContext(ctx)
	require.Error(t, err, "it is held")
	say("second holder: %v", err)
	extended, err := one.ExtendContext(ctx)
	say("extended: %v, %v, %s", extended, err, c.Get(ctx, "lock"))
	freed, err := two.UnlockContext(ctx)
	say("freed by another: %v, %v", freed, err)
	freed, err = one.UnlockContext(ctx)
	say("freed: %v, %v, %s", freed, err, c.Exists(ctx, "lock"))
	require.True(t, freed)
	return said
}

// A program that uses redis-py finds the same answers (testdata/redispy.py).
func TestRedisPyLikeRedis(t *testing.T) {
	// The system's own, to which its packages belong.
	python := needs.Program(t, "/usr/bin/python3")
	if err := exec.Command(python, "-c", "import redis").Run(); err != nil {
		needs.Working(t, fmt.Errorf("redis-py is not installed (scripts/setup --tests does that): %w", err))
	}
	run := func(addr string) string {
		host, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		var out, errors bytes.Buffer
		cmd := exec.Command(python, "testdata/redispy.py", host, port)
		cmd.Stdout, cmd.Stderr = &out, &errors
		companion.Start(t, cmd)
		require.NoError(t, cmd.Wait(), "%s%s", &out, &errors)
		return out.String()
	}
	want, got := run(realRedis(t)), run(start(t, t.TempDir()).addr)
	assert.Equal(t, want, got)
	assert.Greater(t, strings.Count(want, "\n"), 100)
}
