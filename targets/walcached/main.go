// Walcached is a small store that is not Redis, to be tested as an example: a cache that
// speaks a part of memcached's text protocol and keeps a write-ahead log.
//
//	go build ./targets/walcached
//	torntail run --target ./walcached
//	torntail run --target ./walcached --mode always --directive plant=reply-before-sync
//
// Commands: "set KEY FLAGS EXPTIME BYTES" and the value on lines of its own (flags and
// expiry are taken and ignored), "get KEY", "keys", "stats". The log, a file "wal", has a
// line for each set with the key, the length and the checksum of the value, and the value.
// A start reads it up to the first record that is not whole, and cuts the rest off.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	version    = "1.0"
	longest    = 1 << 20 // bytes of a value
	longestKey = 250
)

func main() {
	listen := flag.String("listen", "127.0.0.1:11211", "where to listen")
	dir := flag.String("dir", ".", "where the log is")
	policy := flag.String("sync", "always", "when the log is synced: always, everysec or no")
	plant := flag.String("plant", "", "a planted bug: reply-before-sync")
	shows := flag.Bool("version", false, "print the version")
	flag.Parse()
	log.SetFlags(0)
	if *shows {
		fmt.Println("walcached", version)
		return
	}
	if !slices.Contains([]string{"always", "everysec", "no"}, *policy) || *plant != "" && *plant != "reply-before-sync" {
		log.Fatalf("walcached: --sync %s --plant %s: not known", *policy, *plant)
	}
	c, err := open(*dir)
	if err != nil {
		log.Fatal(err)
	}
	c.always, c.early = *policy == "always", *plant != ""
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	if *policy == "everysec" {
		go func() {
			for range time.Tick(time.Second) {
				c.sync()
			}
		}()
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-term
		c.mu.Lock() // nothing is written any more
		c.sync()
		os.Exit(0)
	}()
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go c.serve(conn)
	}
}

// cache is the data and its log.
type cache struct {
	mu     sync.Mutex
	values map[string][]byte
	wal    *os.File
	always bool // sync before each reply
	early  bool // planted: no, after it
}

// open reads the log, and cuts off what is not whole.
func open(dir string) (*cache, error) {
	wal, err := os.OpenFile(filepath.Join(dir, "wal"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	c := &cache{values: map[string][]byte{}, wal: wal}
	good, in := int64(0), bufio.NewReader(wal)
	for {
		key, value, n, ok := readRecord(in)
		if !ok {
			break
		}
		c.values[key], good = value, good+n
	}
	if err := wal.Truncate(good); err != nil {
		return nil, err
	}
	if _, err := wal.Seek(good, io.SeekStart); err != nil {
		return nil, err
	}
	// What is served from now on must be there after a power cut, the log's name included.
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	return c, errors.Join(wal.Sync(), d.Sync(), d.Close())
}

// readRecord reads a record and its length.
func readRecord(in *bufio.Reader) (key string, value []byte, length int64, ok bool) {
	line, err := in.ReadString('\n')
	var n int
	var sum uint32
	if _, serr := fmt.Sscanf(line, "%s %d %x\n", &key, &n, &sum); err != nil || serr != nil || n < 0 || n > longest {
		return "", nil, 0, false
	}
	value = make([]byte, n)
	if _, err := io.ReadFull(in, value); err != nil || checksum(key, value) != sum {
		return "", nil, 0, false
	}
	return key, value, int64(len(line) + n), true
}

func checksum(key string, value []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE([]byte(key)), crc32.IEEETable, value)
}

// set logs a value and then has it.
func (c *cache) set(key string, value []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	record := fmt.Appendf(nil, "%s %d %08x\n", key, len(value), checksum(key, value))
	if _, err := c.wal.Write(append(record, value...)); err != nil {
		log.Fatal(err) // what was written of it is cut off at the next start
	}
	if c.always && !c.early {
		c.sync()
	}
	c.values[key] = value
}

func (c *cache) sync() {
	if err := c.wal.Sync(); err != nil {
		log.Fatal(err) // nobody knows what is on the disk
	}
}

// serve answers a client.
func (c *cache) serve(conn net.Conn) {
	defer conn.Close()
	in, out := bufio.NewReader(conn), bufio.NewWriter(conn)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if !c.answer(in, out, strings.Fields(line)) {
			fmt.Fprint(out, "ERROR\r\n")
		}
		if out.Flush() != nil {
			return
		}
		if c.early && c.always && strings.HasPrefix(line, "set ") {
			c.sync()
		}
	}
}

// answer answers a command; false when there is no such.
func (c *cache) answer(in *bufio.Reader, out *bufio.Writer, words []string) bool {
	switch {
	case len(words) == 5 && words[0] == "set" && len(words[1]) <= longestKey:
		var n int
		if _, err := fmt.Sscan(words[4], &n); err != nil || n < 0 || n > longest {
			return false
		}
		value := make([]byte, n+len("\r\n"))
		if _, err := io.ReadFull(in, value); err != nil {
			return false
		}
		c.set(words[1], value[:n])
		fmt.Fprint(out, "STORED\r\n")
	case len(words) == 2 && words[0] == "get":
		c.mu.Lock()
		value, ok := c.values[words[1]]
		c.mu.Unlock()
		if ok {
			fmt.Fprintf(out, "VALUE %s 0 %d\r\n%s\r\n", words[1], len(value), value)
		}
		fmt.Fprint(out, "END\r\n")
	case len(words) == 1 && words[0] == "keys":
		c.mu.Lock()
		for key := range c.values {
			fmt.Fprintf(out, "KEY %s\r\n", key)
		}
		c.mu.Unlock()
		fmt.Fprint(out, "END\r\n")
	case len(words) == 1 && words[0] == "stats":
		fmt.Fprintf(out, "STAT pid %d\r\nSTAT version %s\r\nEND\r\n", os.Getpid(), version)
	default:
		return false
	}
	return true
}
