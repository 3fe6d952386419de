package cluster

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/workloads"
)

// adminLimit bounds a command on a connection of our own, which no fault strikes.
const adminLimit = 2 * time.Second

// do sends a command to a node, past the proxies. The reply's bytes are its own.
func (c *Cluster) do(node string, args []string) (reply redcon.RESP, err error) {
	c.env.Enter()
	defer c.env.Leave()
	conn, err := workloads.Dial(c.Env(splitbrain.Admin), c.AdminAddr(node))
	if err != nil {
		return reply, err
	}
	defer conn.Close()
	if reply, err = conn.Do(adminLimit, args...); err != nil {
		return reply, fmt.Errorf("%s to %s: %w", args[0], node, err)
	}
	if reply.Type == redcon.Error {
		return reply, fmt.Errorf("%s to %s: %s", args[0], node, reply.Data)
	}
	return reply, nil
}

// describe says what a node is doing, in a few words.
func (c *Cluster) describe(node string) string {
	r := c.running(node)
	if r == nil {
		return "down"
	}
	words := []string{"ROLE"}
	if strings.HasPrefix(node, "s") {
		words = []string{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", splitbrain.Master}
	}
	reply, err := c.do(node, words)
	if err != nil {
		return "does not answer: " + err.Error()
	}
	var parts []string
	reply.ForEach(func(f redcon.RESP) bool {
		parts = append(parts, string(f.Data))
		return true
	})
	switch {
	case words[0] != "ROLE" && len(parts) == 2:
		return "Sentinel, takes " + c.NodeAt(parts[0]+":"+parts[1]) + " for the master"
	case len(parts) == 5:
		return "replica of " + c.NodeAt(parts[1]+":"+parts[2]) + " (" + parts[3] + ")"
	case len(parts) == 3:
		return "master"
	}
	return fmt.Sprintf("answers %.60q", reply.Raw)
}

// awaitReady waits until the cluster is complete.
func (c *Cluster) awaitReady() error {
	c.env.Enter()
	defer c.env.Leave()
	return splitbrain.AwaitReady(c, c.s)
}
