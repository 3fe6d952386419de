package engine_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sortDraws are compared with redis-server.
const sortDraws draws = `
	SORT {list} [DESC] [ALPHA] [LIMIT {index} {index}]
	SORT {set} ALPHA [DESC] [STORE {list}]
	SORT {set} BY nosort STORE {list}
	SORT {zset} ALPHA [DESC] [LIMIT {index} {index}]
	SORT {zset} BY nosort [DESC] [LIMIT {index} {index}] [STORE {list}]
	SORT (list0|list1|list2|zset0|string0|nothing) BY nosort [DESC] [LIMIT {index} {index}] [GET #] [GET {list}]
	SORT {list} BY w_* [DESC] [GET #] [GET v_*] [GET {hget}] [STORE {list}]
	SORT (list0|list1|list2|string0|nothing) BY v_* ALPHA GET # GET {hget} GET nothing
	~SORT {set} BY v_* ALPHA GET # GET {hget} GET nothing
	SORT {zset} BY w_* STORE {key}
	SORT_RO {list} ALPHA (STORE x|BY)
	SORT_RO {set} ALPHA DESC
	MSET w_a 3 w_b 1 w_c 2 w_1 1 v_a x v_b y v_1 z
	MSET w_a (1.5|x|1e400|) v_c (b|a)
	HSET h_a f 1 g 2
	HSET h_b f 5
`

// Elements that are equal come in redis-server's order, wherever the part that is asked
// for begins and ends: which ones the quicksort divides by, and what it leaves alone,
// shows in it.
func TestEqualOnesAreSortedLikeRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	rng := rand.New(rand.NewPCG(16, 1))
	for n := range 400 {
		size, weights := 2+rng.IntN(12), 1+rng.IntN(4)
		if n%2 == 0 {
			size, weights = 7+rng.IntN(90), 1+rng.IntN(12)
		}
		set, push := []string{"MSET"}, []string{"RPUSH", "l"}
		for i := range size {
			set = append(set, fmt.Sprint("w_", i), string(rune('a'+rng.IntN(weights))))
			push = append(push, strconv.Itoa(i))
		}
		start, count := rng.IntN(size), 1+rng.IntN(size)
		sort := []string{"SORT", "l", "BY", "w_*", "ALPHA", "LIMIT", strconv.Itoa(start), strconv.Itoa(count)}
		if rng.IntN(3) == 0 {
			sort = append(sort, "DESC")
		}
		for _, argv := range [][]string{{"DEL", "l"}, set, push} {
			require.Equal(t, theirs.do(argv...), ours.do(argv...))
		}
		assert.Equal(t, theirs.do(sort...), ours.do(sort...), "%q after %q", sort, set)
	}
}
