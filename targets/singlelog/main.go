// Singlelog is a small server in the manner of Redis 3.2, to be tested as an example of an
// old one: its append-only file is a single one, which a rewrite replaces by a rename, and
// it does not start with a directive that it does not know.
//
//	go build -o old-server ./targets/singlelog && ln -s old-server old-check-aof
//	torntail run --target ./old-server --mode always,everysec,no,none
//	torntail run --target ./old-server --mode everysec --crash power-in-rewrite --directive plant=rename-before-sync
//	torntail run --target ./old-server --mode everysec --crash power --directive plant=name-unsynced
//
// It has strings alone (SET, GET, DEL, KEYS, SCAN, TYPE, PTTL), BGREWRITEAOF, which is done at
// once, and no snapshots. Called *-check-aof it cuts the end off a log that is not whole. As an
// example of stranger ones it may lack commands (--without INFO KEYS PTTL), keep its log under
// another name (--appendfilename) and where $DATA_DIR says, and want a password (--requirepass).
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	version = "3.2.12"
	longest = 1 << 20 // bytes of an argument
)

// known are its directives, with their defaults.
var known = map[string]string{"port": "6379", "bind": "127.0.0.1", "dir": ".", "daemonize": "no", "logfile": "", "appendonly": "no", "appendfsync": "everysec", "save": "",
	"auto-aof-rewrite-percentage": "0", "no-appendfsync-on-rewrite": "no", "aof-load-truncated": "yes", "hz": "10", "plant": "",
	"appendfilename": "appendonly.aof", "requirepass": "", "without": ""}

func main() {
	if strings.HasSuffix(filepath.Base(os.Args[0]), "-check-aof") {
		os.Exit(check(os.Args[1:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Printf("Redis server v=%s sha=00000000:0 malloc=libc bits=64 build=0\n", version)
		return
	}
	if dir := os.Getenv("DATA_DIR"); dir != "" {
		known["dir"] = dir
	}
	configure(os.Args[1:])
	s, err := open(filepath.Join(known["dir"], known["appendfilename"]))
	if err != nil {
		say("%v", err)
		os.Exit(1)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(known["bind"], known["port"]))
	if err != nil {
		say("Could not create server TCP listening socket: %v", err)
		os.Exit(1)
	}
	if s.log != nil && known["appendfsync"] == "everysec" {
		go func() {
			for range time.Tick(time.Second) {
				s.sync()
			}
		}()
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-term
		s.mu.Lock() // nothing is written any more
		if s.log != nil {
			s.log.Sync()
		}
		os.Exit(0)
	}()
	say("The server is now ready to accept connections on port %s", known["port"])
	for {
		conn, err := l.Accept()
		if err != nil {
			say("%v", err)
			os.Exit(1)
		}
		go s.serve(conn)
	}
}

// say writes a line of the log in redis-server's form.
func say(format string, args ...any) {
	fmt.Printf("%d:M %s * %s\n", os.Getpid(), time.Now().Format("02 Jan 2006 15:04:05.000"), fmt.Sprintf(format, args...))
}

// configure reads --name value ..., as redis-server does.
func configure(args []string) {
	for len(args) > 0 {
		name, ok := strings.CutPrefix(args[0], "--")
		if _, have := known[name]; !ok || !have {
			fmt.Printf("*** FATAL CONFIG FILE ERROR ***\n>>> '%s'\nBad directive or wrong number of arguments\n", name)
			os.Exit(1)
		}
		args = args[1:]
		var value []string
		for len(args) > 0 && !strings.HasPrefix(args[0], "--") {
			value, args = append(value, args[0]), args[1:]
		}
		known[name] = strings.Join(value, " ")
	}
}

// server is the data and its log.
type server struct {
	mu     sync.Mutex
	values map[string]string
	path   string
	log    *os.File // nil: none is kept
}

// open loads the log.
func open(path string) (*server, error) {
	s := &server{values: map[string]string{}, path: path}
	if known["appendonly"] != "yes" {
		return s, nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	good, err := s.load(f)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) && known["aof-load-truncated"] == "yes":
		say("!!! Warning: short read while loading the AOF file !!!")
		if err := f.Truncate(good); err != nil {
			return nil, err
		}
	case err != nil:
		//lint:ignore ST1005 redis's words
		return nil, fmt.Errorf("Bad file format reading the append only file: make a backup of your AOF file, then use ./redis-check-aof --fix <filename>: %w", err)
	}
	if _, err := f.Seek(good, io.SeekStart); err != nil {
		return nil, err
	}
	s.log = f
	return s, syncDir(path) // what is served from now on has a log that has a name
}

func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// load executes what a log has, and says where the last whole command ends: io.ErrUnexpectedEOF
// when the end of one is missing.
func (s *server) load(f io.Reader) (good int64, err error) {
	in := bufio.NewReader(f)
	for {
		words, n, err := command(in)
		switch {
		case errors.Is(err, io.EOF):
			return good, nil
		case err != nil:
			return good, err
		}
		s.apply(words)
		good += n
	}
}

// command reads a command: io.EOF where none begins.
func command(in *bufio.Reader) (words []string, length int64, err error) {
	n, length, err := number(in, '*')
	if err != nil {
		return nil, 0, err
	}
	for range n {
		size, head, err := number(in, '$')
		if err == nil && size > longest {
			err = errors.New("an argument that is too long")
		}
		b := make([]byte, size+2)
		if err == nil {
			_, err = io.ReadFull(in, b)
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil, 0, io.ErrUnexpectedEOF
		case err != nil:
			return nil, 0, err
		case string(b[size:]) != "\r\n":
			return nil, 0, errors.New("an argument that does not end")
		}
		words, length = append(words, string(b[:size])), length+head+int64(size)+2
	}
	return words, length, nil
}

func number(in *bufio.Reader, kind byte) (n int, length int64, err error) {
	line, err := in.ReadString('\n')
	if err != nil {
		if line != "" && err == io.EOF && (line[0] == kind) {
			err = io.ErrUnexpectedEOF
		} else if line != "" {
			err = errors.New("no command")
		}
		return 0, 0, err
	}
	n, err = strconv.Atoi(strings.TrimSuffix(line[1:], "\r\n"))
	if line[0] != kind || err != nil || n < 0 || n > longest {
		return 0, 0, errors.New("no command")
	}
	return n, int64(len(line)), nil
}

// apply executes a command that writes, and says how many keys it changed.
func (s *server) apply(words []string) int {
	switch strings.ToUpper(words[0]) {
	case "SET":
		s.values[words[1]] = words[2]
		return 1
	case "DEL":
		n := 0
		for _, key := range words[1:] {
			if _, ok := s.values[key]; ok {
				delete(s.values, key)
				n++
			}
		}
		return n
	}
	return 0
}

func encode(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

func (s *server) sync() {
	s.mu.Lock()
	f := s.log
	s.mu.Unlock()
	if f.Sync() != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if f == s.log { // else it has been replaced and closed
			os.Exit(1)
		}
	}
}

// write executes a command and has it in the log.
func (s *server) write(words []string) (int, error) {
	n := s.apply(words)
	if s.log == nil || n == 0 {
		return n, nil
	}
	if _, err := s.log.WriteString(encode(words...)); err != nil {
		return 0, err
	}
	if known["appendfsync"] == "always" {
		return n, syncData(s.log)
	}
	return n, nil
}

// rewrite makes a log of the data alone, which takes the name of the one that is there.
func (s *server) rewrite() error {
	if s.log == nil {
		return nil
	}
	draft := filepath.Join(filepath.Dir(s.path), fmt.Sprintf("temp-rewriteaof-bg-%d.aof", os.Getpid()))
	f, err := os.Create(draft)
	if err != nil {
		return err
	}
	keys := make([]string, 0, len(s.values))
	for key := range s.values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if _, err := f.WriteString(encode("SET", key, s.values[key])); err != nil {
			return err
		}
	}
	early := known["plant"] == "rename-before-sync"
	if !early {
		err = f.Sync()
	}
	if err = errors.Join(err, os.Rename(draft, s.path)); err == nil && known["plant"] == "name-unsynced" {
		err = syncData(f) // as redis does before 7.0
	} else if err == nil {
		err = syncDir(s.path)
	}
	if err != nil {
		return err
	}
	old := s.log
	s.log = f
	say("Background AOF rewrite finished successfully")
	if early && known["appendfsync"] == "always" {
		err = f.Sync()
	}
	return errors.Join(err, old.Close())
}

func (s *server) serve(conn net.Conn) {
	defer conn.Close()
	in, out := bufio.NewReader(conn), bufio.NewWriter(conn)
	entered := known["requirepass"] == ""
	for {
		words, _, err := command(in)
		if err != nil || len(words) == 0 {
			return
		}
		var answer string
		switch is := strings.EqualFold(words[0], "AUTH") && len(words) == 2; {
		case is && words[1] == known["requirepass"]:
			entered, answer = true, "+OK\r\n"
		case is:
			answer = "-ERR invalid password\r\n"
		case !entered:
			answer = "-NOAUTH Authentication required.\r\n"
		default:
			answer, err = s.answer(words)
		}
		if err != nil {
			say("%v", err)
			os.Exit(1)
		}
		out.WriteString(answer)
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
	}
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// answer is what a command is answered. An error ends the server.
func (s *server) answer(words []string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.ToUpper(words[0])
	value, have := "", false
	if len(words) > 1 {
		value, have = s.values[words[1]]
	}
	switch {
	case slices.Contains(strings.Fields(known["without"]), name):
	case name == "SCAN": // all at once
		keys := slices.Sorted(maps.Keys(s.values))
		return "*2\r\n" + bulk("0") + encode(keys...), nil
	case name == "PING":
		return "+PONG\r\n", nil
	case name == "INFO":
		return bulk(fmt.Sprintf("redis_version:%s\r\nprocess_id:%d\r\n", version, os.Getpid())), nil
	case name == "SET" && len(words) == 3:
		_, err := s.write(words)
		return "+OK\r\n", err
	case name == "DEL" && len(words) > 1:
		n, err := s.write(words)
		return fmt.Sprintf(":%d\r\n", n), err
	case name == "GET" && len(words) == 2 && have:
		return bulk(value), nil
	case name == "GET" && len(words) == 2:
		return "$-1\r\n", nil
	case name == "TYPE" && have:
		return "+string\r\n", nil
	case name == "PTTL" && have:
		return ":-1\r\n", nil
	case name == "SELECT":
		return "+OK\r\n", nil
	case name == "KEYS":
		keys := []string{}
		for key := range s.values {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		return encode(keys...), nil
	case name == "BGREWRITEAOF":
		say("Background append only file rewriting started by pid %d", os.Getpid())
		return "+Background append only file rewriting started\r\n", s.rewrite()
	}
	return fmt.Sprintf("-ERR unknown command '%s'\r\n", words[0]), nil
}

// check is redis-check-aof: it cuts off what comes after the last whole command.
func check(args []string) int {
	if len(args) != 2 || args[0] != "--fix" {
		fmt.Println("Usage: redis-check-aof --fix <file.aof>")
		return 1
	}
	f, err := os.OpenFile(args[1], os.O_RDWR, 0)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	good, err := (&server{values: map[string]string{}}).load(f)
	if err != nil {
		err = errors.Join(f.Truncate(good), f.Sync())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("AOF is valid")
	return 0
}
