package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torntail/torntail/faults/disk"
)

// What was read is forgotten, and told, when there is too much of it; whom it strikes is
// drawn, in simulation the same in every run of a seed.
func TestTrackedKeysAreBounded(t *testing.T) {
	limit := [2]string{"tracking-table-max-keys", "10"}
	both := startCouple(t, limit)
	commands := []string{"CLIENT TRACKING ON BCAST PREFIX a PREFIX b", "CLIENT TRACKING OFF", "CLIENT TRACKING ON"}
	for i := range 50 {
		commands = append(commands, fmt.Sprint("GET key", i))
	}
	told := func(do, ask func(...string) string) (fields []string) {
		for _, line := range commands {
			do(strings.Fields(line)...)
		}
		for line := range strings.Lines(ask("INFO")) {
			if strings.HasPrefix(line, "tracking_") {
				fields = append(fields, line)
			}
		}
		return fields
	}
	want := told(dial(t, both.redis.addr()).do, dial(t, both.redis.addr()).do)
	assert.Contains(t, strings.Join(want, ""), "tracking_total_keys:10\r\n")
	assert.ElementsMatch(t, want, told(both.world.connect().do, both.world.connect().do))

	commands = append([]string{"HELLO 3"}, append(commands, "INFO stats")...)
	one := inSimulation(t, 1, disk.New(disk.Options{}), nil, [][2]string{limit}, commands...)
	again := inSimulation(t, 1, disk.New(disk.Options{}), nil, [][2]string{limit}, commands...)
	assert.Equal(t, one, again)
	assert.Contains(t, one[len(one)-1], "tracking_total_keys:10\r\n")
	assert.Contains(t, one[len(one)-1], ">2\r\n$10\r\ninvalidate\r\n*1\r\n$")
}
