package splitbrain

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/workloads"
)

// dial connects within a limit. A connection over a link that is cut may be
// answered much later, or never: whoever dialled has given up by then.
func dial(e env.Env, addr string, limit time.Duration) (*workloads.Conn, error) {
	var (
		conn      *workloads.Conn
		err       error
		abandoned bool
	)
	answered := e.NewCond()
	task := e.Go("dial", func() {
		c, failed := workloads.Dial(e, addr)
		if abandoned {
			if failed == nil {
				c.Close()
			}
			return
		}
		conn, err = c, failed
		answered.Broadcast()
	})
	for until := e.Now() + limit; !task.Done() && conn == nil && err == nil; {
		if left := until - e.Now(); left <= 0 || !answered.WaitFor(left) && conn == nil && err == nil {
			abandoned = true
			return nil, fmt.Errorf("connect to %s: %w", addr, env.ErrTimeout)
		}
	}
	return conn, err
}

// link is a connection that is made again when it is next needed after it broke.
type link struct {
	env    env.Env
	addr   string
	within time.Duration // until it must be made, when that is less than the command's limit; 0: no such
	conn   *workloads.Conn
}

func (l *link) close() {
	if l.conn != nil {
		l.conn.Close()
		l.conn = nil
	}
}

// do sends one command and reads its reply, making the connection first if there
// is none. After an error the connection is gone. An error reply is an error too,
// and leaves it.
func (l *link) do(limit time.Duration, args ...string) (redcon.RESP, error) {
	if l.conn == nil {
		conn, err := dial(l.env, l.addr, min(limit, cmp.Or(l.within, limit)))
		if err != nil {
			return redcon.RESP{}, err
		}
		l.conn = conn
	}
	reply, err := l.conn.Do(limit, args...)
	if err != nil {
		l.close()
		return reply, fmt.Errorf("%s to %s: %w", args[0], l.addr, err)
	}
	if reply.Type == redcon.Error {
		return reply, fmt.Errorf("%s to %s: %w", args[0], l.addr, &workloads.ServerError{Text: string(reply.Data)})
	}
	return reply, nil
}

// Command sends a command to a node on an administrative connection of its own,
// as a task of Admin's environment.
func Command(c Cluster, node string, args ...string) (redcon.RESP, error) {
	l := &link{env: c.Env(Admin), addr: c.AdminAddr(node)}
	defer l.close()
	return l.do(adminLimit, args...)
}

// Describe says what a node is doing, in a few words.
func Describe(c Cluster, n *Node) string {
	if !n.Running() {
		return "down"
	}
	words := []string{"ROLE"}
	if strings.HasPrefix(n.Name, "s") {
		words = []string{"SENTINEL", "GET-MASTER-ADDR-BY-NAME", Master}
	}
	reply, err := Command(c, n.Name, words...)
	if err != nil {
		return "does not answer: " + err.Error()
	}
	is, ok := parseRole(reply)
	switch named := address(reply); {
	case named != "":
		return "Sentinel, takes " + c.NodeAt(named) + " for the master"
	case !ok:
		return fmt.Sprintf("answers %.60q", reply.Raw)
	case is.master:
		return "master"
	}
	return "replica of " + c.NodeAt(is.of) + " (" + is.state + ")"
}

// Info is a node's INFO, by field.
func Info(c Cluster, node string) (map[string]string, error) {
	reply, err := Command(c, node, "INFO", "everything")
	if err != nil {
		return nil, err
	}
	return parseInfo(reply), nil
}

// follow hands on what arrives on a connection, until over says so or the connection ends. It
// looks that often.
func follow(conn *workloads.Conn, every time.Duration, over func() bool, each func(reply redcon.RESP)) error {
	for !over() {
		conn.Deadline(every)
		reply, err := conn.Reply()
		switch {
		case err == nil:
			each(reply)
		case !errors.Is(err, env.ErrTimeout):
			return err
		}
	}
	return nil
}

// role is what ROLE says of a server.
type role struct {
	master bool
	offset int64  // its replication offset
	of     string // of a replica: the address of its master
	state  string // of a replica: "connected" when it follows
}

// parseRole reads the reply of ROLE; ok is false when it is none of a server's.
func parseRole(reply redcon.RESP) (r role, ok bool) {
	if reply.Type != redcon.Array || reply.Count != 3 && reply.Count != 5 {
		return role{}, false
	}
	var fields [5]redcon.RESP
	n := 0
	reply.ForEach(func(f redcon.RESP) bool {
		fields[n] = f
		n++
		return n < reply.Count && (reply.Count == 5 || n < 2) // a master's replicas are of no interest
	})
	switch {
	case reply.Count == 3 && string(fields[0].Data) == "master":
		r.master, r.offset = true, fields[1].Int()
		return r, true
	case reply.Count == 5 && string(fields[0].Data) == "slave":
		r.of = string(fields[1].Data) + ":" + string(fields[2].Data)
		r.state, r.offset = string(fields[3].Data), fields[4].Int()
		return r, true
	}
	return role{}, false
}

// parseInfo reads the lines NAME:VALUE of INFO.
func parseInfo(reply redcon.RESP) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(string(reply.Data)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// elements are those of an array; nil for another reply. They share one copy of
// it: an experiment reads thousands of keys from each server.
func elements(reply redcon.RESP) []string {
	if reply.Type != redcon.Array {
		return nil
	}
	whole, end := string(reply.Data), 0
	list := make([]string, 0, reply.Count)
	reply.ForEach(func(e redcon.RESP) bool {
		end += len(e.Raw)
		last := end // of the element's text
		if e.Type != redcon.Array {
			last -= len("\r\n")
		}
		list = append(list, whole[last-len(e.Data):last])
		return true
	})
	return list
}

// pairs reads a flat array of names and values, as SENTINEL MASTER answers.
func pairs(reply redcon.RESP) map[string]string {
	fields := map[string]string{}
	list := elements(reply)
	for i := 0; i+1 < len(list); i += 2 {
		fields[list[i]] = list[i+1]
	}
	return fields
}

// address reads the two-element array of an address, "" when it is none.
func address(reply redcon.RESP) string {
	if at := elements(reply); len(at) == 2 {
		return at[0] + ":" + at[1]
	}
	return ""
}

func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// IsMaster asks a server whether it is a master, as a task of Admin's environment.
func IsMaster(c Cluster, node string) (bool, error) {
	reply, err := Command(c, node, "ROLE")
	is, ok := parseRole(reply)
	return ok && is.master, err
}

// NamedBy is whom a Sentinel takes for the master; "" when it does not say.
func NamedBy(c Cluster, sentinel string) string {
	reply, err := Command(c, sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", Master)
	if err != nil {
		return ""
	}
	return c.NodeAt(address(reply))
}

// Dial is an administrative connection to a node, for a task of Admin's environment.
func Dial(c Cluster, node string) (*workloads.Conn, error) {
	return dial(c.Env(Admin), c.AdminAddr(node), adminLimit)
}
