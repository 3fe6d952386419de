package disk

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// record draws a program, carries it out on a disk that is recorded, power cuts
// and damage included, and calls see after each step with the disk as it is.
func record(t *rapid.T, w io.Writer, see func(r *Recorder, d *Disk)) {
	tape := &Tape{Through: true}
	d := New(Options{Personality: drawPersonality(t), Tape: tape})
	r, err := NewRecorder(w, tape, time.Unix(1_700_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Duration(0)
	for _, s := range drawProgram(t, 20) {
		tryStep(d, s)
		switch rapid.IntRange(0, 11).Draw(t, "also") {
		case 0:
			now += time.Duration(rapid.IntRange(1, 40).Draw(t, "s")) * time.Second
			d.Tick(now)
		case 1:
			drawSync(t, d, now, func() {})
		case 2:
			d, _ = d.PowerCut(drawChoice(t, d), now)
		case 3:
			use(t, d)
			d.frozen = false // the rest is to have something to do
			d.SetReadOnly(false)
		}
		see(r, d)
	}
}

// TestARecordingPlaysTheSameDisk: at each instant at which it was written, the
// disk that the file is played to is the one that was recorded, and leaves the
// same images.
func TestARecordingPlaysTheSameDisk(t *testing.T) {
	scratch := &Disk{}
	rapid.Check(t, func(rt *rapid.T) {
		type look struct {
			steps int
			all   string
			seen  [7]uint64
		}
		var looks []look
		var file bytes.Buffer
		steps := 0
		record(rt, &file, func(r *Recorder, d *Disk) {
			steps += r.t.Len()
			r.Take()
			if err := r.Write(); err != nil {
				rt.Fatal(err)
			}
			looks = append(looks, look{steps, taped(t, d), fingerprint(d, scratch)})
		})
		p, rec, err := PlayRecording(&file, false)
		if err != nil {
			rt.Fatal(err)
		}
		if rec.Began.Unix() != 1_700_000_000 {
			rt.Fatal(rec.Began)
		}
		played := 0
		for _, l := range looks {
			for ; played < l.steps; played++ {
				if _, ok := p.Next(); !ok {
					rt.Fatalf("the recording ends after %d steps of %d: %v", played, steps, p.Err())
				}
			}
			d := p.Disk()
			if got, seen := taped(t, d), fingerprint(d, scratch); got != l.all || seen != l.seen {
				rt.Fatalf("after step %d\n%s\n%v, recorded\n%s\n%v", played, got, seen, l.all, l.seen)
			}
		}
		if _, ok := p.Next(); ok || p.Err() != nil {
			rt.Fatalf("more steps than were recorded, or %v", p.Err())
		}
	})
}

// taped is all that calls can learn of a disk but for the number of the next
// call: those without an effect are not on a tape.
func taped(t *testing.T, d *Disk) string {
	return regexp.MustCompile(` next \d+`).ReplaceAllString(all(t, d), "")
}

// TestDamagedRecordings: wherever a recording ends or is damaged, there is one
// error that says where, and what comes before is played.
func TestDamagedRecordings(t *testing.T) {
	whole, _ := sampleRecording(t)
	for n := range len(whole) {
		p, _, err := PlayRecording(bytes.NewReader(whole[:n]), false)
		for err == nil {
			if _, ok := p.Next(); !ok {
				err = p.Err()
				break
			}
		}
		var bad *BadRecording
		switch {
		case err == nil: // it ends between two blocks
		case !errors.As(err, &bad):
			t.Fatalf("%d bytes: %v", n, err)
		case bad.Offset > int64(n):
			t.Fatalf("%d bytes: an error at offset %d", n, bad.Offset)
		}
	}
	for n := range whole {
		bent := bytes.Clone(whole)
		bent[n] ^= 0x40
		p, _, err := PlayRecording(bytes.NewReader(bent), false)
		if err == nil {
			for ok := true; ok; {
				_, ok = p.Next()
			}
			err = p.Err()
		}
		var bad *BadRecording
		if inHead := bytes.IndexByte(whole[len(recordingMagic):], '\n') + len(recordingMagic); err == nil && n > inHead {
			t.Fatalf("byte %d is bent, and nothing is said", n)
		} else if err != nil && !errors.As(err, &bad) {
			t.Fatalf("byte %d is bent: %v", n, err)
		}
	}
}

// sampleRecording is a recording over a power cut, and what its disk shows in the end.
func sampleRecording(t testing.TB) (file []byte, shows string) {
	t.Helper()
	var out bytes.Buffer
	tape := &Tape{Through: true}
	d := New(Options{Tape: tape})
	r, err := NewRecorder(&out, tape, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"mkdir d", "create d/a", "write d/a A*5000", "fsync d/a", "write d/a B*100", "create b", "rename b d/b", "link d/a c", "trunc d/a 9", "unlink c", "cut", "write d/a C*9", "sync"} {
		if s == "cut" {
			d, _ = d.PowerCut(Choice{Mode: KeepRandom, Seed: 3}, 5)
		} else if err := tryStep(d, s); err != nil {
			t.Fatal(s, err)
		}
		r.Take()
		if err := r.Write(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes(), render(t, d)
}

// TestARecordingOfEachVersionIsRead: files of old formats are still read.
func TestARecordingOfEachVersionIsRead(t *testing.T) {
	f, err := os.Open("testdata/recording-v1.log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p, _, err := PlayRecording(f, false)
	if err != nil {
		t.Fatal(err)
	}
	for ok := true; ok; {
		_, ok = p.Next()
	}
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	// As it was when it was made, whatever the personality is today.
	if got, want := render(t, p.Disk()), "d/ d/a=A*5000+CCCCCCCCC"; got != want {
		t.Fatalf("it plays to %s, want %s", got, want)
	}
}

// FuzzRecording: no file makes reading or playing panic.
func FuzzRecording(f *testing.F) {
	whole, _ := sampleRecording(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		p, _, err := PlayRecording(bytes.NewReader(b), false)
		if err != nil {
			return
		}
		playOut(p)
	})
}

// FuzzRecordingSteps is about what blocks hold, behind their checksums.
func FuzzRecordingSteps(f *testing.F) {
	whole, _ := sampleRecording(f)
	_, rest, _ := bytes.Cut(whole[len(recordingMagic):], []byte("\n"))
	r := &Recording{in: bytes.NewReader(rest)}
	for {
		piece, err := r.next()
		if err != nil {
			break
		}
		var e encoder
		next := piece.base
		for i := range piece.steps {
			var c *Call
			if s := &piece.steps[i]; s.kind.ofCall() && int(s.call) == next {
				c = &piece.calls[int(s.call)-piece.base]
				next++
			}
			e.step(&piece.steps[i], c, piece)
		}
		f.Add(e.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := decoder{b: b, t: &Tape{}}
		for d.at < len(d.b) && d.why == "" {
			d.step()
		}
		if d.why != "" {
			return
		}
		p := newPlayer(Options{})
		p.load(d.t)
		playOut(p)
	})
}

// playOut plays up to the end, but no file of a terabyte.
func playOut(p *Player) {
	for range 1000 {
		if _, ok := p.Next(); !ok {
			return
		}
		if p.Disk().Used() > 1<<32 {
			return
		}
	}
	p.Disk().Image(&Disk{}, Choice{Mode: KeepRandom, Seed: 1})
}
