package engine_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
)

// FuzzMaster lets a replica follow a master that says whatever it likes, in
// simulation. The replica must neither panic nor hang: it still serves in the
// end, and follows a better master when told to.
func FuzzMaster(f *testing.F) {
	id := strings.Repeat("a", 40)
	var snapshot bytes.Buffer
	ks := keyspace.New()
	ks.DB(0).Set([]byte("k"), keyspace.StringObject([]byte("v")))
	if err := ks.Snapshot().WriteRDB(&snapshot, rdb.WriteOptions{Checksum: true}); err != nil {
		f.Fatal(err)
	}
	hello := "+PONG\r\n+OK\r\n+OK\r\n"
	full := hello + "+FULLRESYNC " + id + " 7\r\n"
	sized := full + "$" + itoa(snapshot.Len()) + "\r\n" + snapshot.String()
	for _, text := range []string{
		"", "\r\n", hello, full, "-ERR x\r\n", strings.Repeat("x", 10000),
		sized, sized + "*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
		sized + "SET a b\r\n", sized + "\n\n*2\r\n$6\r\nSELECT\r\n$2\r\n99\r\n*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n*1\r\n$4\r\nEXEC\r\n",
		sized + "*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n*2\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n",
		sized + "*1\r\n$8\r\nSHUTDOWN\r\n", sized + "*3\r\n$9\r\nREPLICAOF\r\n$2\r\nNO\r\n$3\r\nONE\r\n",
		full + "$EOF:" + id + "\r\n" + snapshot.String() + id + "*1\r\n$4\r\nPING\r\n",
		full + "$-1\r\n", full + "$99999999999999999999\r\n", full + "$10\r\nREDIS0010x", full + "$EOF:short\r\n", full + "\n\n\n$5\r\nhello",
		hello + "+CONTINUE\r\n*1\r\n$4\r\nPING\r\n", hello + "+CONTINUE " + id + "\r\n*9\r\n$9223372036854775807\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		world := sim.New(sim.Options{Seed: 1})
		defer world.Close()
		master := world.Node("m", nil)
		master.Go("listen", func(e env.Env) {
			l, err := e.Listen(":6379")
			if err != nil {
				return
			}
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				e.Go("talk", func() {
					for rest := said; len(rest) > 0; {
						n := min(len(rest), 1+len(said)/3) // in pieces, which end anywhere
						if _, err := c.Write(rest[:n]); err != nil {
							return
						}
						rest = rest[n:]
						e.Sleep(time.Millisecond)
					}
					e.Sleep(50 * time.Millisecond)
					c.Close()
				})
			}
		})
		d := disk.New(disk.Options{Personality: mustPersonality(t)})
		ended := false
		n := world.Node("n1", d)
		n.Start(func(e env.Env, fs vfs.FS) {
			cfg := config.Default()
			for _, x := range [][2]string{{"save", ""}, {"appendonly", "yes"}} {
				if err := cfg.Set(x[0], x[1]); err != nil {
					panic(err)
				}
			}
			if err := cfg.Set("replicaof", "m", "6379"); err != nil {
				panic(err)
			}
			srv := engine.New(engine.Options{Env: e, FS: fs, Config: cfg})
			if err := srv.Load(); err != nil {
				panic(err)
			}
			l, err := e.Listen(":6379")
			if err != nil {
				panic(err)
			}
			e.Go("accept", func() { srv.Serve(l) })
			srv.Run()
			ended = true
		})
		var reply string
		client := world.Node("c1", nil)
		client.Go("client", func(e env.Env) {
			defer world.Stop()
			e.Sleep(3 * time.Second)
			c, err := e.Dial("n1:6379")
			if err != nil {
				return
			}
			if _, err := c.Write([]byte("*3\r\n$9\r\nREPLICAOF\r\n$2\r\nNO\r\n$3\r\nONE\r\n*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\ny\r\n")); err != nil {
				return
			}
			buf := make([]byte, 100)
			c.SetReadDeadline(e.Now() + 10*time.Second)
			for !strings.HasSuffix(reply, "+OK\r\n+OK\r\n") {
				k, err := c.Read(buf)
				if err != nil {
					return
				}
				reply += string(buf[:k])
			}
		})
		require.NoError(t, world.Run(time.Hour))
		if !ended { // a master may say SHUTDOWN
			require.Equal(t, "+OK\r\n+OK\r\n", reply)
		}
	})
}

func mustPersonality(t *testing.T) *disk.Personality {
	p, err := disk.PersonalityByName("ext4")
	require.NoError(t, err)
	return p
}

func itoa(n int) string { return strconv.Itoa(n) }
