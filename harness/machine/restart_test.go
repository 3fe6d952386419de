package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
)

// scripted is something a server is brought back on, which does what it is told and
// notes what is asked of it.
type scripted struct {
	starts []error // what each start comes to
	fixed  bool
	err    error // of the tool
	stray  bool
	asked  []string
}

func (s *scripted) Start(context.Context) error {
	err := s.starts[0]
	s.starts = s.starts[1:]
	s.asked = append(s.asked, "start")
	return err
}

func (s *scripted) Repair(context.Context) (bool, string, error) {
	s.asked = append(s.asked, "repair")
	return s.fixed, "", s.err
}

func (s *scripted) Files(f func(fsys vfs.FS)) error {
	s.asked = append(s.asked, "look")
	d := disk.New(disk.Options{})
	if s.stray {
		if err := d.FS(nil).Mkdir(redis.AOFDir); err != nil {
			return err
		}
		if err := vfs.WriteFile(d.FS(nil), redis.AOFDir+"/a.incr.aof", []byte{0}); err != nil {
			return err
		}
	}
	f(d.FS(nil))
	return nil
}

// TestRecover is what is done to bring a server back, and in which order.
func TestRecover(t *testing.T) {
	no := &Refusal{Words: "Bad file format"}
	broken := errors.New("no memory")
	for _, c := range []struct {
		name  string
		s     scripted
		mode  string
		want  Return
		asked string
		told  string
		err   error
	}{
		{name: "it starts", s: scripted{starts: []error{nil}}, mode: "always", want: Return{How: ByItself}, asked: "start", told: "ready"},
		{name: "the tool helps", s: scripted{starts: []error{no, nil}, fixed: true, stray: true}, mode: "always",
			want: Return{How: Repaired, Refusal: "Bad file format", Stray: product.Stray{redis.AOFDir + "/a.incr.aof": 0}}, asked: "start look repair start", told: "refused repaired ready"},
		{name: "the tool does not help", s: scripted{starts: []error{no}}, mode: "always",
			want: Return{How: RefusedToStart, Refusal: "Bad file format"}, asked: "start look repair", told: "refused"},
		{name: "it refuses again", s: scripted{starts: []error{no, no}, fixed: true}, mode: "always",
			want: Return{How: RefusedToStart, Refusal: "Bad file format"}, asked: "start look repair start", told: "refused"},
		{name: "no log to repair", s: scripted{starts: []error{no}}, mode: "rdb",
			want: Return{How: RefusedToStart, Refusal: "Bad file format"}, asked: "start", told: "refused"},
		{name: "no file system", s: scripted{starts: []error{&Refusal{Words: "ext4 does not mount", ByDisk: true}}}, mode: "always",
			want: Return{How: RefusedToStart, Refusal: "ext4 does not mount"}, asked: "start", told: "refused"},
		{name: "the machine's own failure", s: scripted{starts: []error{broken}}, mode: "always", asked: "start", err: broken},
		{name: "the tool's own failure", s: scripted{starts: []error{no}, err: broken}, mode: "always",
			want: Return{How: RefusedToStart, Refusal: "Bad file format"}, asked: "start look repair", told: "refused", err: broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			mode, err := redis.ModeByName(c.mode)
			require.NoError(t, err)
			var told []string
			got, err := Recover(context.Background(), &c.s, &mode, func(kind history.EventKind, _ string) { told = append(told, string(kind)) })
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.want, got)
			require.Equal(t, c.asked, strings.Join(c.s.asked, " "))
			require.Equal(t, c.told, strings.Join(told, " "))
		})
	}
}

// program is a server of the test's own: a shell script.
func program(t *testing.T, body string) string {
	name := filepath.Join(t.TempDir(), "server")
	require.NoError(t, os.WriteFile(name, []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	return name
}

// TestWhoIsToBlame: a server that exits, or crashes, refuses; one that was killed from
// outside, by the kernel when memory ran out for example, does not.
func TestWhoIsToBlame(t *testing.T) {
	for body, refuses := range map[string]bool{
		"echo 'Bad file format'; exit 1": true,
		"kill -SEGV $$":                  true,
		"kill -ABRT $$":                  true,
		"kill -KILL $$":                  false,
		"kill -TERM $$":                  false,
	} {
		rig := &Rig{Store: redis.Store, Binary: program(t, body)}
		_, err := rig.Launch(context.Background(), t.TempDir(), nil, nil)
		var refusal *Refusal
		require.Equal(t, refuses, errors.As(err, &refusal), "%s: %v", body, err)
		var start *process.StartError
		require.ErrorAs(t, err, &start, body)
		require.Equal(t, !refuses, Silent(err) && !refuses, body)
	}
}

// TestARepairThatHangsIsEnded with whoever no longer waits for it.
func TestARepairThatHangsIsEnded(t *testing.T) {
	rig, err := NewRig(redis.Store, program(t, "exit 1"), HostDirs(""))
	require.NoError(t, err)
	defer rig.Close()
	dir := t.TempDir()
	require.NoError(t, rig.Allow(dir))
	pid := filepath.Join(dir, "pid")
	rig.Describe(&Description{Repair: []string{program(t, "echo $$ > "+pid+".new; mv "+pid+".new "+pid+"; exec sleep 1000")}})
	ctx, cancel := context.WithCancelCause(context.Background())
	gone := errors.New("nobody waits")
	go func() {
		for {
			if _, err := os.Stat(pid); err == nil {
				cancel(gone)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, _, err = rig.Repair(ctx, dir)
	require.ErrorIs(t, err, gone)
	text, err := os.ReadFile(pid)
	require.NoError(t, err)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%s/status", strings.TrimSpace(string(text))))
	if err == nil { // dead, and whoever adopted it has not looked yet
		require.Contains(t, string(status), "State:\tZ", "the tool runs on")
	}
}
