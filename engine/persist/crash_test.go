package persist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/faults/vfs"
)

// A history of writes w1, w2, ... in the simulated world, struck by a crash at
// one disk call, and what the server then loads. Write i stores i under wI, so
// the recovered keys tell at once whether they are a prefix.

// ledger is what the clients know and what the disk has promised.
type ledger struct {
	issued  int // fed to the log
	acked   int // answered
	written int // in the file, as far as write(2) goes
	covered int // in the file before the start of a sync that returned
	forked  int // in the last snapshot that was completed
	files   map[string]int
	closing map[string]bool // incr files replaced by a rewrite, their last sync not returned
	// switching: a manifest was renamed and the directory not synced yet.
	switching bool
	meanwhile int // turns while a child ran

	now     func() time.Duration
	bare    time.Duration // when the oldest write was made that no sync has set out to cover; -1: none
	longest time.Duration // that a write waited for a sync to start
}

// watchedFS notes which writes a returned sync of an incr file covers.
type watchedFS struct {
	vfs.FS
	l *ledger
}

type watchedFile struct {
	vfs.File
	l *ledger
}

func (w watchedFS) Open(name string, flag vfs.Flag) (vfs.File, error) {
	f, err := w.FS.Open(name, flag)
	if err != nil || !strings.Contains(name, "incr") || flag == vfs.ReadOnly {
		return f, err
	}
	for old := range w.l.files { // any order: a set is filled
		w.l.closing[old] = true
	}
	clear(w.l.files)
	w.l.files[name] = w.l.issued
	return watchedFile{f, w.l}, nil
}

func (f watchedFile) Write(p []byte) (int, error) {
	issued := f.l.issued
	n, err := f.File.Write(p)
	if err == nil {
		f.l.written = issued
		f.l.files[f.Name()] = issued
		if f.l.bare < 0 {
			f.l.bare = f.l.now()
		}
	}
	f.l.switching = false
	return n, err
}

func (f watchedFile) SyncData() error {
	upTo := f.l.files[f.Name()]
	if f.l.bare >= 0 {
		f.l.longest = max(f.l.longest, f.l.now()-f.l.bare)
		f.l.bare = -1
	}
	err := f.File.SyncData()
	if err == nil {
		f.l.covered = max(f.l.covered, upTo)
	}
	return err
}

func (f watchedFile) Close() error {
	delete(f.l.closing, f.Name())
	return f.File.Close()
}

func (w watchedFS) Rename(from, to string) error {
	if strings.HasSuffix(to, ".manifest") {
		w.l.switching = true
	}
	return w.FS.Rename(from, to)
}

func (w watchedFS) OpenDir(name string) (vfs.File, error) {
	f, err := w.FS.OpenDir(name)
	return watchedDir{f, w.l}, err
}

type watchedDir struct {
	vfs.File
	l *ledger
}

func (d watchedDir) Sync() error {
	err := d.File.Sync()
	if err == nil && d.Name() == "appendonlydir" {
		d.l.switching = false
	}
	return err
}

// story is one configuration and what happens under it.
type story struct {
	name  string
	lines []string
	bugs  bugs.Set
	// snapshots instead of rewrites
	rdb   bool
	turns int
	pause time.Duration // between turns
}

// tell runs the story: turns of one to three writes, every fifth in a
// transaction, a rewrite or snapshot from turn 8 and 16 on.
func (st *story) tell(t testing.TB, e env.Env, fs vfs.FS, l *ledger) {
	s := newServer(e, watchedFS{fs, l}, settings(t, st.lines...), st.bugs)
	if s.Load() != nil {
		t.Error("the first start failed")
		return
	}
	if vfs.SyncDir(fs, ".") != nil { // F1 is not what these tests look for
		t.Error("sync of the data directory")
	}
	ended, begun := 0, 0
	for turn := range st.turns {
		clients := 1 + turn%3
		if turn%5 == 4 {
			clients = 1
			s.Feed(0, [][]byte{[]byte("MULTI")})
		}
		for range 1 + turn%3 {
			l.issued++
			s.do(0, fmt.Sprintf("SET w%d %d", l.issued, l.issued))
		}
		if turn%5 == 4 {
			s.Feed(0, [][]byte{[]byte("EXEC")})
		}
		if turn == 0 && st.rdb { // so that a snapshot takes several writes
			s.do(5, "SET filler "+filler)
		}
		if s.BeforeSleep(clients) != nil {
			return
		}
		l.acked = l.issued
		if s.AfterReplies() != nil {
			return
		}
		if turn == 8 || begun == 1 && turn >= 16 && s.child == nil {
			begun++
			if st.rdb {
				_, _ = s.BGSave(false, false)
			} else {
				_, _ = s.BGRewriteAOF(false)
			}
			ended = l.issued
		}
		if s.child == nil {
			e.Sleep(st.pause)
		} else {
			e.Sleep(4 * time.Millisecond) // so that writes meet the child
			l.meanwhile++
		}
		had := s.child != nil
		if s.Cron() != nil {
			return
		}
		if had && s.child == nil && st.rdb && s.bgsaveOK {
			l.forked = ended
		}
	}
}

// filler is what LZF cannot make small.
var filler = func() string {
	rng := rand.New(rand.NewPCG(1, 1))
	b := make([]byte, 30000)
	for i := range b {
		b[i] = 'A' + byte(rng.UintN(26))
	}
	return string(b)
}()

// crash is what strikes.
type crash struct {
	kill   bool
	choice disk.Choice
}

func (c crash) String() string {
	if c.kill {
		return "kill"
	}
	return "power cut, " + c.choice.String()
}

// result is what one experiment came to.
type result struct {
	struck  bool
	at      string // the call
	verdict string // "" is good
	// finding names a known weakness of redis 7.0.15 that explains the verdict.
	finding string
	lost    int // acknowledged and gone
	ledger  ledger
}

// profile: everything takes a while, syncs longest, so that calls overlap.
func slow() *sim.Profile {
	p, err := sim.ProfileByName("hdd")
	if err != nil {
		panic(err)
	}
	return p
}

// bench is the world of one experiment after the other.
type bench struct {
	w *sim.World
	d *disk.Disk
}

// experiment tells the story, strikes at disk call k, and judges the restart.
func (b *bench) experiment(t testing.TB, st *story, personality string, c crash, k int, place disk.Place) (r result) {
	p, err := disk.PersonalityByName(personality)
	require.NoError(t, err)
	calls, struck := 0, false
	w := b.w
	var n *sim.Node
	l := &ledger{files: map[string]int{}, closing: map[string]bool{}, now: w.Now, bare: -1}
	// One seed: until the crash every run is the same, so that k means the same call.
	w.Reset(sim.Options{Seed: 1, Profile: slow(), Hook: func(_ *sim.Node, call *disk.Call) disk.Decision {
		calls++
		if calls != k || struck {
			return disk.Decision{}
		}
		r.at = call.Kind.String() + " " + call.Path
		return disk.Decision{Place: place, Fraction: 0.5, Strike: func() {
			struck = true
			if l.bare >= 0 {
				l.longest = max(l.longest, w.Now()-l.bare)
			}
			if c.kill {
				n.Kill(true)
			} else {
				n.PowerCut(c.choice)
			}
		}}
	}})
	b.d.Reset(disk.Options{Personality: p})
	n = w.Node("n1", b.d)
	n.Start(func(e env.Env, fs vfs.FS) { st.tell(t, e, fs, l) })
	require.NoError(t, w.Run(time.Hour))
	if !struck {
		return r
	}
	r.struck, r.ledger = true, *l
	var data string
	var loadErr error
	n.Start(func(e env.Env, fs vfs.FS) {
		s := newServer(e, fs, settings(t, st.lines...), st.bugs)
		if loadErr = s.Load(); loadErr != nil && strings.Contains(loadErr.Error(), "Bad file format") {
			if aof.Check(aof.CheckOptions{FS: fs, Path: manifestPath, Fix: true, Out: new(strings.Builder),
				Confirm: func(string) bool { return true }}) == nil {
				r.finding = "F2"
				s = newServer(e, fs, settings(t, st.lines...), st.bugs)
				loadErr = s.Load()
			}
		}
		if loadErr != nil {
			return
		}
		data = dump(s.ks)
		// What is written after the restart must be there after the next one.
		s.do(0, "SET after restart")
		if s.BeforeSleep(1) == nil {
			mode := SaveNever
			if st.rdb {
				mode = SaveForce
			}
			loadErr = s.Shutdown(mode, false)
		}
	})
	require.NoError(t, w.Run(2*time.Hour))
	// The weaknesses of redis 7.0.15 that these crashes meet, besides F2 (a NUL
	// tail, which redis-check-aof cuts off):
	//
	// F3: a rewrite names the new incr file in the manifest before the old one is
	// synced, except under always. Until its background sync returns, a power cut
	// can tear the old file's tail, which is then not in the last file: the server
	// refuses to start and redis-check-aof refuses to repair.
	//
	// names: nothing syncs the directory before the manifest is renamed. Where
	// directory entries are not ordered (posix, btrfs) the manifest can be durable
	// without the files it names, or lost with the old one gone.
	//
	// F3 has a silent form, found below: the old file lost whole commands at its
	// end and the new one did not, a hole.
	var le *LoadError
	if errors.As(loadErr, &le) && !c.kill && l.closing[le.File] {
		r.finding = "F3"
	} else if !c.kill && l.switching && (personality == "posix" || personality == "btrfs") {
		r.finding = "names"
	}
	if loadErr != nil {
		r.verdict = "unrecoverable: " + loadErr.Error()
		return r
	}
	var again string
	n.Start(func(e env.Env, fs vfs.FS) {
		s := newServer(e, fs, settings(t, st.lines...), st.bugs)
		if loadErr = s.Load(); loadErr == nil {
			again = dump(s.ks)
		}
	})
	require.NoError(t, w.Run(3*time.Hour))
	switch {
	case loadErr != nil:
		r.verdict = "unrecoverable: second restart: " + loadErr.Error()
	case sorted(data, `0 "after" expire 0: "restart"`) != again:
		r.verdict = "lost-write: second restart has other data"
	default:
		r.verdict, r.lost = judge(st, c, &r.ledger, data)
		if strings.HasPrefix(r.verdict, "hole") && !c.kill && len(l.closing) > 0 {
			r.finding = "F3"
		}
	}
	return r
}

func sorted(data, line string) string {
	lines := append(strings.Split(data, "\n"), line)
	if data == "" {
		lines = lines[1:]
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// judge holds the recovered keys against what the configuration promises.
func judge(st *story, c crash, l *ledger, data string) (verdict string, lost int) {
	n := 0
	for _, line := range strings.Split(data, "\n") {
		if strings.HasPrefix(line, `0 "w`) {
			n++
		}
	}
	for i := 1; i <= n; i++ {
		if !strings.Contains(data, fmt.Sprintf("0 \"w%d\" expire 0: \"%d\"", i, i)) {
			return fmt.Sprintf("hole: %d keys and not w%d", n, i), 0
		}
	}
	lost = max(0, l.acked-n)
	must := l.covered
	switch {
	case st.rdb:
		must = l.forked
	case c.kill:
		must = l.written
	}
	if strings.Contains(strings.Join(st.lines, " "), "appendfsync always") {
		must = l.acked
	}
	if strings.Contains(strings.Join(st.lines, " "), "appendfsync everysec") && l.longest > 2*time.Second {
		return fmt.Sprintf("lost-write: no sync started for %v", l.longest), lost
	}
	if n < must {
		return fmt.Sprintf("lost-write: %d of %d, %d acknowledged", n, must, l.acked), lost
	}
	// A turn that is a transaction survives whole or not at all.
	for turn, first := 0, 1; turn < st.turns; turn++ {
		size := 1 + turn%3
		if turn%5 == 4 && n >= first && n < first+size-1 {
			return fmt.Sprintf("torn-transaction: w%d of w%d to w%d", n, first, first+size-1), lost
		}
		first += size
	}
	return "", lost
}

// crashes are a kill, the plain power cuts, and some that choose at random.
func crashes(random int) []crash {
	out := []crash{{kill: true}, {choice: disk.Choice{Mode: disk.KeepNone}}, {choice: disk.Choice{Mode: disk.KeepAll}},
		{choice: disk.Choice{Mode: disk.KeepTorn, K: 7}}}
	for seed := range random {
		out = append(out, crash{choice: disk.Choice{Mode: disk.KeepRandom, Seed: uint64(seed) + 1}})
	}
	return out
}

// explore strikes at every disk call of the story, in every way.
func explore(t *testing.T, st *story, personality string, random int, each func(c crash, k int, r result)) {
	b := bench{sim.New(sim.Options{}), disk.New(disk.Options{})}
	defer b.w.Close()
	for _, c := range crashes(random) {
		for k := 1; ; k++ {
			place := disk.PlaceInFlight
			if k%3 == 0 {
				place = disk.PlaceReturn
			}
			r := b.experiment(t, st, personality, c, k, place)
			if !r.struck {
				require.Greater(t, k, 25, "the story has too few calls")
				break
			}
			each(c, k, r)
		}
	}
}

func aofStory(policy, preamble string, b bugs.Set) *story {
	pause := 100 * time.Millisecond
	if policy == "everysec" {
		pause = 400 * time.Millisecond // several periods
	}
	return &story{name: policy + ", preamble " + preamble, bugs: b, turns: 24, pause: pause,
		lines: []string{"appendonly yes", "appendfsync " + policy, "aof-use-rdb-preamble " + preamble}}
}

func rdbStory(b bugs.Set) *story {
	return &story{name: "rdb", rdb: true, bugs: b, turns: 36, pause: 230 * time.Millisecond, lines: []string{"appendonly no"}}
}

func TestACrashAtEveryDiskCallKeepsWhatIsPromised(t *testing.T) {
	stories := []*story{
		aofStory("always", "no", 0), aofStory("always", "yes", 0), aofStory("everysec", "no", 0), aofStory("no", "yes", 0), rdbStory(0),
	}
	for _, st := range stories {
		personalities := []string{"posix", "ext4", "ext4-dioread-lock", "xfs", "btrfs", "prefix"}
		if testing.Short() {
			personalities = []string{"ext4"}
		}
		for _, personality := range personalities {
			t.Run(st.name+", "+personality, func(t *testing.T) {
				struck, lost := 0, 0
				calls := map[string]bool{}
				findings := map[string]int{}
				explore(t, st, personality, 3, func(c crash, k int, r result) {
					struck++
					lost += r.lost
					calls[r.at] = true
					if r.finding != "" && (r.verdict != "" || r.finding == "F2") {
						findings[r.finding]++
					} else if r.verdict != "" {
						t.Errorf("call %d, %v at %s: %s", k, c, r.at, r.verdict)
					}
				})
				t.Logf("%d crashes at %d different calls, %d acknowledged writes lost, findings %v", struck, len(calls), lost, findings)
				if !st.rdb {
					require.Greater(t, len(calls), 20)
				}
				always := strings.HasPrefix(st.name, "always")
				if always && personality != "posix" {
					require.Zero(t, lost)
				}
				if always || st.rdb {
					require.Zero(t, findings["F3"])
				} else {
					require.NotZero(t, lost, "a power cut that loses nothing proves nothing")
				}
			})
		}
	}
}

// undisturbed tells the story without a crash.
func (st *story) undisturbed(t testing.TB, hook func(c *disk.Call) disk.Decision) *ledger {
	w := sim.New(sim.Options{Seed: 1, Profile: slow(), Hook: func(_ *sim.Node, c *disk.Call) disk.Decision {
		if hook == nil {
			return disk.Decision{}
		}
		return hook(c)
	}})
	defer w.Close()
	l := &ledger{files: map[string]int{}, closing: map[string]bool{}, now: w.Now, bare: -1}
	n := w.Node("n1", disk.New(disk.Options{}))
	n.Start(func(e env.Env, fs vfs.FS) { st.tell(t, e, fs, l) })
	require.NoError(t, w.Run(time.Hour))
	return l
}

func TestEverysecStartsASyncEachSecond(t *testing.T) {
	for _, c := range []struct {
		plant    bugs.Set
		from, to time.Duration
	}{
		{0, 500 * time.Millisecond, 1300 * time.Millisecond},
		{bugs.EverysecTwoSeconds, 1500 * time.Millisecond, 2300 * time.Millisecond},
	} {
		st := aofStory("everysec", "no", c.plant)
		st.turns = 60
		l := st.undisturbed(t, nil)
		require.Greater(t, l.longest, c.from, "%v", c.plant)
		require.Less(t, l.longest, c.to, "%v", c.plant)
	}
}

func TestWritesMeetTheRewriteAndTheSnapshot(t *testing.T) {
	for _, st := range []*story{aofStory("always", "yes", 0), aofStory("everysec", "no", 0), rdbStory(0)} {
		require.Greater(t, st.undisturbed(t, nil).meanwhile, 3, st.name)
	}
}

// elsewhere are the bugs that these stories do not meet, in which no key expires, no hash
// is written, no script is called, no key is evicted, no client is idle, no child dies without the server or survives it, and no sync fails, and nobody asks when a sync began or why a server ended: the
// self-test finds them (package campaign).
const elsewhere = bugs.DeadlinesForgotten | bugs.DeadlinesRestarted | bugs.ExpiryNotLogged | bugs.UpdateNotCounted |
	bugs.IdleTailUnsynced | bugs.RewriteCountsAsSync | bugs.SnapshotDirUnsynced | bugs.ChangesMeanwhileForgotten |
	bugs.EffectsBare | bugs.FunctionsNotRewritten | bugs.EvictionNotLogged | bugs.ExpiryLoggedBehind |
	bugs.OpenTransactionLoaded | bugs.AlwaysGoesOn | bugs.EverysecGoesOn | bugs.RewriteAborts | bugs.ShutdownSavesUnasked |
	bugs.OrphanRenamesUnfinished | bugs.OrphanInstallsBase | bugs.KilledChildCounts

// Each planted bug is met by some crash of the same exploration that finds
// nothing in the correct server, and as the anomaly that the registry names.
func TestEveryPlantedBugIsMet(t *testing.T) {
	for _, b := range bugs.All() {
		if b.Anomaly == "" || b.Replicated() {
			continue // TestEverysecStartsASyncEachSecond
		}
		if elsewhere.Has(b.Bit) {
			continue
		}
		t.Run(b.Name, func(t *testing.T) {
			var st *story
			switch {
			case b.Breaks[0] == "rdb":
				st = rdbStory(b.Bit)
			case b.Breaks[0] == "always":
				st = aofStory("always", "yes", b.Bit)
			default:
				st = aofStory(b.Breaks[0], "no", b.Bit)
			}
			if b.Bit == bugs.AlwaysSkips50th {
				st.turns = 52
			}
			personality := "ext4"
			if b.Bit == bugs.RenameWithoutDirSync { // ext4's journal commits the rename with the next sync of a file
				personality = "posix"
			}
			want := b.Anomaly
			if b.Bit == bugs.OldIncrUnsynced { // here every crash is restarted without a repair
				want = "unrecoverable"
			}
			met, other, tries := 0, map[string]int{}, 0
			random := 3
			if st.rdb {
				random = 12
			}
			explore(t, st, personality, random, func(c crash, k int, r result) {
				tries++
				if r.finding == "F3" || r.finding == "names" || r.verdict == "" {
					return
				}
				if strings.HasPrefix(r.verdict, want) {
					met++
				}
				other[strings.SplitN(r.verdict, ":", 2)[0]]++
			})
			t.Logf("%d of %d crashes show it: %v", met, tries, other)
			require.NotZero(t, met, "the bug is never seen as %s: %v", want, other)
		})
	}
}
