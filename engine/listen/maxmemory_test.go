package listen_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// number is a field of INFO.
func (p *peer) number(field string) int {
	p.t.Helper()
	n, err := strconv.Atoi(p.info(field))
	require.NoError(p.t, err, field)
	return n
}

// What data are reckoned to take is near what redis-server takes for them. Lists and
// streams grow in steps there, and a hash table is larger than it must be.
func TestMemoryIsReckonedAsRedisTakesIt(t *testing.T) {
	long := strings.Repeat("v", 300)
	for _, of := range []struct {
		name   string
		times  int
		fill   []string // # is the number of the time
		factor float64
	}{
		{"strings", 5000, []string{"SET", "key:#", "0123456789"}, 1.3},
		{"long strings", 3000, []string{"SET", "key:#", long}, 1.25},
		{"expiring", 5000, []string{"SET", "key:#", "0123456789", "EX", "1000"}, 1.3},
		{"small hashes", 3000, []string{"HSET", "key:#", "field", "value", "other", "0123456789"}, 1.3},
		{"a large hash", 5000, []string{"HSET", "key", "field:#", "value:#"}, 1.3},
		{"a list", 20000, []string{"RPUSH", "key", "element:#"}, 1.3},
		{"small sets", 3000, []string{"SADD", "key:#", "1", "2", "300"}, 1.3},
		{"a large set", 5000, []string{"SADD", "key", "member:#"}, 1.3},
		{"small sorted sets", 3000, []string{"ZADD", "key:#", "1", "one", "2.5", "two"}, 1.3},
		{"a large sorted set", 5000, []string{"ZADD", "key", "#", "member:#"}, 1.3},
		{"a stream", 20000, []string{"XADD", "key", "*", "field", "value:#"}, 1.5},
	} {
		t.Run(of.name, func(t *testing.T) {
			grown := func(k kind) float64 {
				p := k.start(t)
				before := p.number("used_memory")
				for i := range of.times {
					words := make([]string, len(of.fill))
					for j, w := range of.fill {
						words[j] = strings.ReplaceAll(w, "#", strconv.Itoa(i))
					}
					p.c.Queue(words...)
				}
				require.NoError(t, p.c.Flush())
				for range of.times {
					_, err := p.c.Receive()
					require.NoError(t, err)
				}
				return float64(p.number("used_memory") - before)
			}
			theirs, ours := grown(redisKind), grown(engineKind)
			t.Logf("redis %.0f, engine %.0f: %.2f", theirs, ours, ours/theirs)
			assert.InDelta(t, 1, ours/theirs, of.factor-1)
		})
	}
}

// Under each policy a server stays within its limit, evicts only what the policy lets it,
// and refuses what takes memory when there is nothing of that; the log and its replica
// hear of each eviction by itself.
func TestMaxmemory(t *testing.T) {
	for _, policy := range []string{"noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"} {
		for _, k := range []kind{redisKind, engineKind} {
			t.Run(policy+"/"+k.name, func(t *testing.T) {
				lazy := map[bool]string{true: "yes", false: "no"}[strings.HasSuffix(policy, "lfu")]
				m := k.start(t, "--appendonly", "yes", "--aof-use-rdb-preamble", "no", "--maxmemory-policy", policy, "--lazyfree-lazy-eviction", lazy, "--repl-backlog-size", "16kb")
				r := k.start(t)
				r.follow(m)
				r.catchUp(m)
				limit := m.number("used_memory") + 400<<10
				m.do("CONFIG", "SET", "maxmemory", strconv.Itoa(limit))
				m.do("SELECT", "1")
				refused := 0
				const keys = 2000
				for i := range keys {
					words := []string{"SET", fmt.Sprint("key:", i), strings.Repeat("v", 200)}
					if i%2 == 0 {
						words[1] = "volatile:" + words[1]
						words = append(words, "EX", strconv.Itoa(10000+i))
					}
					if _, err := m.c.Do(words...); err != nil {
						require.ErrorContains(t, err, "OOM command not allowed when used memory > 'maxmemory'.")
						refused++
					}
				}
				used := m.number("used_memory") - m.number("mem_not_counted_for_evict")
				m.do("CONFIG", "SET", "maxmemory", "0") // the answers to what follows take memory, too
				evicted := m.number("evicted_keys")
				assert.Less(t, used, limit+100<<10)
				assert.Greater(t, used, limit-100<<10)
				left := strings.Fields(m.do("KEYS", "*"))
				volatile := 0
				sooner, later := 0, 0 // of the volatile ones, by their deadlines
				for _, key := range left {
					if n, ok := strings.CutPrefix(key, "volatile:key:"); ok {
						volatile++
						if i, _ := strconv.Atoi(n); i < keys/2 {
							sooner++
						} else {
							later++
						}
					}
				}
				assert.Equal(t, keys-refused-evicted, len(left))
				switch {
				case policy == "noeviction":
					assert.Zero(t, evicted)
					assert.Greater(t, refused, 500)
				case strings.HasPrefix(policy, "volatile-"):
					assert.Greater(t, evicted, 300)
					assert.Equal(t, keys/2, len(left)-volatile+refused-(keys/2-evicted-volatile), "keys without a deadline stay")
				default:
					assert.Zero(t, refused)
					assert.Greater(t, evicted, 500)
					assert.Greater(t, volatile, 20)
					assert.Greater(t, len(left)-volatile, 20)
				}
				if policy == "volatile-ttl" && volatile > 0 {
					assert.Greater(t, later, sooner)
				}
				r.catchUp(m)
				assert.Equal(t, m.do("DEBUG", "DIGEST"), r.do("DEBUG", "DIGEST"))
				word := map[string]string{"no": "DEL", "yes": "UNLINK"}[lazy]
				files, err := filepath.Glob(filepath.Join(strings.Split(m.do("CONFIG", "GET", "dir"), "\n")[1], "appendonlydir", "*.incr.aof"))
				require.NoError(t, err)
				m.eventually("the log is in the file", func() bool { return m.info("aof_buffer_length") == "0" })
				log := readFile(files[len(files)-1])
				assert.Equal(t, evicted, strings.Count(log, "\r\n"+word+"\r\n"))
				assert.NotContains(t, log, "MULTI")
				m.do("DEBUG", "LOADAOF")
				assert.Equal(t, r.do("DEBUG", "DIGEST"), m.do("DEBUG", "DIGEST"))
			})
		}
	}
}

// What is used stays, under policies that ask how long ago or how often.
func TestEvictedIsWhatIsNotUsed(t *testing.T) {
	for _, policy := range []string{"allkeys-lru", "allkeys-lfu"} {
		for _, k := range []kind{redisKind, engineKind} {
			t.Run(policy+"/"+k.name, func(t *testing.T) {
				p := k.start(t, "--maxmemory-policy", policy, "--maxmemory-samples", "10", "--lfu-log-factor", "0")
				value := strings.Repeat("v", 200)
				const keys = 1000
				for i := range keys {
					if i%4 == 0 && policy == "allkeys-lru" {
						continue // younger than the others by a second at least, see below
					}
					p.do("SET", fmt.Sprint("key:", i), value)
				}
				if policy == "allkeys-lru" {
					p.eventually("its clock of accesses has moved on", func() bool {
						return p.do("OBJECT", "IDLETIME", "key:1") != "0" && p.do("OBJECT", "IDLETIME", fmt.Sprint("key:", keys-1)) != "0"
					})
				}
				for i := 0; i < keys; i += 4 {
					p.do("SET", fmt.Sprint("key:", i), value)
					for range 10 {
						p.do("GET", fmt.Sprint("key:", i))
					}
				}
				p.do("CONFIG", "SET", "maxmemory", strconv.Itoa(p.number("used_memory")-keys/2*300))
				p.eventually("keys are evicted without a command that asks for room", func() bool {
					return p.number("used_memory")-p.number("mem_not_counted_for_evict") <= p.number("maxmemory")+64<<10
				})
				hot, cold := 0, 0
				for i := range keys {
					if p.do("EXISTS", fmt.Sprint("key:", i)) == "1" {
						if i%4 == 0 {
							hot++
						} else {
							cold++
						}
					}
				}
				t.Logf("%d hot keys and %d cold ones are left", hot, cold)
				assert.Greater(t, hot, keys/4*8/10)
				assert.Less(t, cold, keys*3/4*7/10)
			})
		}
	}
}

// What is refused when memory is short, in a transaction and outside one.
func TestOOMLikeRedis(t *testing.T) {
	script := func(k kind) (said []string) {
		p := k.start(t)
		other := &peer{t: t, addr: p.addr}
		other.dial()
		for _, line := range []string{
			"SET a 1", "RPUSH l 1", "*CONFIG SET maxmemory 1", "SET a 2", "GET a", "APPEND a 2", "INCR a", "LPUSH l 1", "LPOP l", "DEL a", "EXPIRE a 5", "PING", "SADD s 1", "XADD x * f v", "RENAME l m", "COPY l m", "PFADD h 1", "SETRANGE a 5 x",
			"PUBLISH c m", "FLUSHALL", "SUBSCRIBE", "MULTI", "GET a", "SET a 1", "EXEC", "MULTI", "DISCARD", "*CONFIG SET maxmemory 0",
			"MULTI", "SET a 1", "GET a", "*CONFIG SET maxmemory 1", "EXEC", "*CONFIG SET maxmemory 0", "MULTI", "GET a", "*CONFIG SET maxmemory 1", "EXEC",
			"*CONFIG SET maxmemory 0", "MULTI", "SET a 1", "*CONFIG SET maxmemory 1", "DISCARD", "*CONFIG SET maxmemory 0", "MULTI", "SET a 1", "*CONFIG SET maxmemory 1", "MULTI", "EXEC", "*CONFIG SET maxmemory 0", "MULTI", "SET a 1", "*CONFIG SET maxmemory 1", "RESET",
			"SET a 1", "WATCH a", "UNWATCH", "CONFIG SET maxmemory-policy allkeys-lru", "SET a 1", "DBSIZE", "CONFIG SET maxmemory-policy volatile-ttl", "SET a 1", "CONFIG SET replica-ignore-maxmemory no", "CLIENT PAUSE 100000 WRITE", "CLIENT UNPAUSE",
			"CONFIG GET maxmemory", "CONFIG GET maxmemory-samples", "CONFIG SET maxmemory-eviction-tenacity 101", "CONFIG SET maxmemory-samples 0", "CONFIG SET maxmemory x",
		} {
			to := p
			if rest, ok := strings.CutPrefix(line, "*"); ok {
				to, line = other, rest
			}
			reply, err := to.c.Do(strings.Fields(line)...)
			said = append(said, fmt.Sprint(line, ": ", reply, " ", err))
		}
		for _, field := range []string{"maxmemory", "maxmemory_human", "maxmemory_policy", "evicted_keys", "errorstat_OOM", "mem_not_counted_for_evict"} {
			said = append(said, field+" "+p.info(field))
		}
		return said
	}
	assert.Equal(t, script(redisKind), script(engineKind))
}

// A replica keeps what its master keeps, whatever its own limit, unless it is told not to;
// what it evicts then it does not tell its own replicas.
func TestMaxmemoryOfAReplica(t *testing.T) {
	for _, k := range []kind{redisKind, engineKind} {
		t.Run(k.name, func(t *testing.T) {
			m, r, below := redisKind.start(t), k.start(t, "--maxmemory-policy", "allkeys-random", "--appendonly", "yes", "--aof-use-rdb-preamble", "no"), redisKind.start(t)
			r.follow(m)
			r.catchUp(m)
			below.follow(r)
			below.catchUp(r)
			r.do("CONFIG", "SET", "maxmemory", strconv.Itoa(r.number("used_memory")+100<<10))
			load(m, "key", 1000)
			r.catchUp(m)
			assert.Equal(t, m.do("DBSIZE"), r.do("DBSIZE"))
			r.do("CONFIG", "SET", "replica-ignore-maxmemory", "no")
			m.do("SET", "one", "more")
			r.catchUp(m)
			r.eventually("it evicts", func() bool { return r.number("evicted_keys") > 0 })
			below.catchUp(r)
			assert.Equal(t, m.do("DBSIZE"), below.do("DBSIZE"))
			had := r.do("DEBUG", "DIGEST")
			r.do("DEBUG", "LOADAOF")
			assert.Equal(t, had, r.do("DEBUG", "DIGEST"))
		})
	}
}

// In a pause nothing is evicted.
func TestNothingIsEvictedInAPause(t *testing.T) {
	for _, k := range []kind{redisKind, engineKind} {
		t.Run(k.name, func(t *testing.T) {
			p := k.start(t, "--maxmemory-policy", "allkeys-random")
			load(p, "key", 500)
			p.do("CLIENT", "PAUSE", "1000000", "WRITE")
			p.do("CONFIG", "SET", "maxmemory", "1")
			p.do("GET", "key")
			assert.Equal(t, "0", p.info("evicted_keys"))
			p.do("CLIENT", "UNPAUSE")
			p.eventually("all keys are evicted", func() bool { return p.do("DBSIZE") == "0" }) // some at a time
			_, err := p.c.Do("SET", "a", "b")
			assert.ErrorContains(t, err, "OOM command not allowed when used memory > 'maxmemory'.")
		})
	}
}
