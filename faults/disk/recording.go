package disk

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strings"
	"syscall"
	"time"
)

// A recording is a file of a tape: a line that names the format, a line of JSON
// that says what kind of disk it was (recordingHead), and then blocks
//
//	u32 length of what is stored | u32 length of what it is | u32 CRC-32C of what is stored | stored bytes
//
// of which each is, compressed with flate, whole steps in the order of the tape
// (encoder.step). Numbers outside blocks are big-endian, inside they are varints.
// A recording that ends between blocks is whole; one that ends in a block is what
// a recorder left that was killed, and good up to there.

const (
	recordingMagic = "torntail disk log 1\n"
	blockSize      = 1 << 20  // bytes of steps after which a block ends
	maxBlock       = 64 << 20 // bytes; one step may be a write of many
	maxText        = 64 << 10 // bytes of a path or a choice
	maxTime        = 1 << 60  // ns, some 36 years
	maxBlockCalls  = 1 << 20  // calls whose first step is in one block
	maxBlockSteps  = 4 << 20  // steps in one block
)

var blockSums = crc32.MakeTable(crc32.Castagnoli)

// recordingHead says what kind of disk it was.
type recordingHead struct {
	Personality string        `json:"personality"`
	Rules       []string      `json:"rules"` // what the personality promised then
	CommitNs    time.Duration `json:"commit_ns"`
	Failure     string        `json:"failure"`
	ExpireNs    time.Duration `json:"expire_ns"`
	IntervalNs  time.Duration `json:"interval_ns"`
	Plant       Plant         `json:"plant,omitempty"`
	BeganNs     int64         `json:"began_ns"` // when the clock of the calls stood at 0; since 1970
}

// Recorder writes a tape to a file while the disk is used, and takes off the tape
// what it has written, so that memory stays bounded however long that is.
type Recorder struct {
	t       *Tape
	w       io.Writer
	piece   Tape // taken off, being written
	enc     encoder
	out     bytes.Buffer
	flate   *flate.Writer
	known   int // calls that are in the file
	written int64
	err     error
}

// NewRecorder writes the head of a recording. began is when the clock of the
// calls stood at 0. The disk has been made with the tape.
func NewRecorder(w io.Writer, t *Tape, began time.Time) (*Recorder, error) {
	o := &t.o
	if o.Personality == nil {
		return nil, errors.New("the tape is in no disk")
	}
	failure := o.Personality.Failure
	if o.Failure != nil {
		failure = *o.Failure
	}
	head, err := json.Marshal(recordingHead{Personality: o.Personality.Name, Rules: o.Personality.set.names(), CommitNs: o.Personality.Commit, Failure: failure.Name,
		ExpireNs: o.WriteBack.Expire, IntervalNs: o.WriteBack.Interval, Plant: o.Plant, BeganNs: began.UnixNano()})
	if err != nil {
		return nil, err
	}
	r := &Recorder{t: t, w: w}
	if r.flate, err = flate.NewWriter(&r.out, flate.BestSpeed); err != nil {
		return nil, err
	}
	n, err := io.WriteString(w, recordingMagic+string(head)+"\n")
	r.written = int64(n)
	return r, err
}

// Take takes what is on the tape off it. It must not be called while the disk is
// used; Write may be.
func (r *Recorder) Take() {
	r.piece.calls, r.t.calls = r.t.calls, r.piece.calls[:0]
	r.piece.steps, r.t.steps = r.t.steps, r.piece.steps[:0]
	r.piece.data, r.t.data = r.t.data, r.piece.data[:0]
	r.piece.base = r.t.base
	r.t.base += len(r.piece.calls)
}

// Write writes what was taken last. Its error is that of all further calls.
func (r *Recorder) Write() error {
	for i := range r.piece.steps {
		if r.err != nil {
			break
		}
		s := &r.piece.steps[i]
		var c *Call
		if s.kind.ofCall() && int(s.call) == r.known {
			c = &r.piece.calls[int(s.call)-r.piece.base]
			r.known++
		}
		r.enc.step(s, c, &r.piece)
		if len(r.enc.b) >= blockSize {
			r.block()
		}
	}
	if len(r.enc.b) > 0 && r.err == nil {
		r.block()
	}
	r.piece.calls, r.piece.steps, r.piece.data = r.piece.calls[:0], r.piece.steps[:0], r.piece.data[:0]
	return r.err
}

// Written is the length of the file.
func (r *Recorder) Written() int64 { return r.written }

// block writes one block.
func (r *Recorder) block() {
	if len(r.enc.b) > maxBlock {
		r.err = fmt.Errorf("a write too large for a disk log: a block has %d bytes, want at most %d", len(r.enc.b), maxBlock)
		return
	}
	r.out.Reset()
	r.out.Write(make([]byte, 12))
	r.flate.Reset(&r.out)
	r.flate.Write(r.enc.b)
	r.flate.Close()
	b := r.out.Bytes()
	binary.BigEndian.PutUint32(b, uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[4:], uint32(len(r.enc.b)))
	binary.BigEndian.PutUint32(b[8:], crc32.Checksum(b[12:], blockSums))
	n, err := r.w.Write(b)
	r.written += int64(n)
	r.err = err
	r.enc.b, r.enc.call, r.enc.at = r.enc.b[:0], 0, 0
}

// encoder writes steps. Each block begins anew, with call 0 at time 0.
type encoder struct {
	b    []byte
	call int32
	at   time.Duration
}

// step writes one. c is its call, if this is the first step about it.
func (e *encoder) step(s *step, c *Call, t *Tape) {
	first := byte(0)
	if c != nil {
		first = 0x80
	}
	e.b = append(e.b, byte(s.kind)|first)
	e.signed(int64(s.at - e.at))
	e.at = s.at
	if s.kind.ofCall() {
		e.signed(int64(s.call - e.call))
		e.call = s.call
	}
	if c != nil {
		e.number(c.ID)
		e.b = append(e.b, byte(c.Kind), byte(c.Flags))
		e.text(c.Path)
		e.text(c.Path2)
		e.number(uint64(c.Ino))
		e.signed(c.Off)
		e.signed(c.Len)
		e.signed(int64(c.Enter))
	}
	e.number(uint64(s.fail))
	e.number(uint64(s.ino))
	e.number(uint64(s.ino2))
	e.signed(s.n)
	e.number(math.Float64bits(s.share))
	e.bytes(t.data[s.from:s.mid])
	e.bytes(t.data[s.mid:s.to])
}

func (e *encoder) number(v uint64) { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) signed(v int64)  { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) text(s string)   { e.number(uint64(len(s))); e.b = append(e.b, s...) }
func (e *encoder) bytes(b []byte)  { e.number(uint64(len(b))); e.b = append(e.b, b...) }

// BadRecording is where and why a recording cannot be read.
type BadRecording struct {
	Offset int64 // in the file, of the block
	Within int64 // in what the block holds; -1: the block itself is bad
	Why    string
	// Cut: the file ends too early. What comes before is good.
	Cut bool
}

func (e *BadRecording) Error() string {
	where := fmt.Sprintf("at offset %d", e.Offset)
	if e.Within >= 0 {
		where = fmt.Sprintf("in the block at offset %d, at its byte %d", e.Offset, e.Within)
	}
	return fmt.Sprintf("disk log: %s: %s", where, e.Why)
}

// Recording is a file that is being read.
type Recording struct {
	Began time.Time // when the clock of the calls stood at 0
	in    io.Reader
	off   int64
	known int
}

// PlayRecording begins at the start of a recording. keepLog as in Options.
func PlayRecording(in io.Reader, keepLog bool) (*Player, *Recording, error) {
	r := &Recording{in: in}
	bad := func(off int64, why string, a ...any) error {
		return &BadRecording{Offset: off, Within: -1, Why: fmt.Sprintf(why, a...)}
	}
	magic, err := r.line(len(recordingMagic))
	if err != nil || magic != recordingMagic {
		if strings.HasPrefix(magic, "torntail disk log ") {
			return nil, nil, bad(0, "format %q is not one that this torntail knows: want %q", strings.TrimSpace(magic), strings.TrimSpace(recordingMagic))
		}
		return nil, nil, bad(0, "no disk log (torntail mount --record writes one): it begins with %.40q, want %q", magic, recordingMagic)
	}
	at := r.off
	text, err := r.line(4096)
	if err != nil {
		return nil, nil, bad(at, "want a line of JSON: %v", err)
	}
	var h recordingHead
	if err := json.Unmarshal([]byte(text), &h); err != nil {
		return nil, nil, bad(at, "want a line of JSON: %v", err)
	}
	o := Options{WriteBack: WriteBack{h.ExpireNs, h.IntervalNs}, Plant: h.Plant, KeepLog: keepLog}
	known, err := PersonalityByName(h.Personality)
	if err != nil {
		return nil, nil, bad(at, "%v", err)
	}
	own := *known
	if own.set, err = rulesByName(h.Rules); err != nil {
		return nil, nil, bad(at, "%v", err)
	}
	if own.Commit = h.CommitNs; own.Commit < 0 || own.Commit > maxTime || h.ExpireNs > maxTime || h.IntervalNs < 0 || h.IntervalNs > maxTime {
		return nil, nil, bad(at, "a time that is no time")
	}
	o.Personality = &own
	if o.Failure, err = FailureModeByName(h.Failure); err != nil {
		return nil, nil, bad(at, "%v", err)
	}
	r.Began = time.Unix(0, h.BeganNs).UTC()
	p := newPlayer(o)
	p.load(&Tape{})
	p.more = r.next
	return p, r, nil
}

// line reads up to a newline, at most so many bytes.
func (r *Recording) line(most int) (string, error) {
	var line []byte
	var b [1]byte
	for len(line) < most {
		if _, err := io.ReadFull(r.in, b[:]); err != nil {
			return string(line), errors.New("it ends too early")
		}
		r.off++
		line = append(line, b[0])
		if b[0] == '\n' {
			return string(line), nil
		}
	}
	return string(line), fmt.Errorf("no end of the line within %d bytes", most)
}

// next reads one block.
func (r *Recording) next() (*Tape, error) {
	at := r.off
	bad := func(cut bool, why string, a ...any) error {
		return &BadRecording{Offset: at, Within: -1, Why: fmt.Sprintf(why, a...), Cut: cut}
	}
	var head [12]byte
	switch n, err := io.ReadFull(r.in, head[:]); {
	case err == io.EOF:
		return nil, io.EOF
	case err != nil:
		return nil, bad(true, "the file ends in the head of a block, %d bytes of 12", n)
	}
	stored, size := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
	if size > maxBlock || stored > maxBlock {
		return nil, bad(false, "a block of %d bytes, stored in %d: want at most %d", size, stored, maxBlock)
	}
	// Grown as it is read: the length may be wrong.
	b, err := io.ReadAll(io.LimitReader(r.in, int64(stored)))
	if err != nil {
		return nil, bad(false, "%v", err)
	}
	if len(b) < int(stored) {
		return nil, bad(true, "the file ends in a block, after %d bytes of %d", len(b), stored)
	}
	if got, want := crc32.Checksum(b, blockSums), binary.BigEndian.Uint32(head[8:]); got != want {
		return nil, bad(false, "the checksum of a block is %08x, want %08x", got, want)
	}
	steps, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), int64(size)+1))
	if err != nil || len(steps) != int(size) {
		return nil, bad(false, "a block is not %d bytes of flate: %v", size, err)
	}
	r.off += 12 + int64(stored)
	d := decoder{b: steps, t: &Tape{base: r.known}}
	for d.at < len(d.b) && d.why == "" {
		d.step()
	}
	if d.why != "" {
		return nil, &BadRecording{Offset: at, Within: int64(d.at), Why: d.why}
	}
	r.known += len(d.t.calls)
	return d.t, nil
}

// decoder reads the steps of a block.
type decoder struct {
	b    []byte
	at   int
	why  string // not "": what is wrong at at
	t    *Tape
	call int64
	time time.Duration
}

func (d *decoder) fail(why string, a ...any) {
	if d.why == "" {
		d.why = fmt.Sprintf(why, a...)
	}
}

func (d *decoder) byte() byte {
	if d.at >= len(d.b) {
		d.fail("it ends in a step")
		return 0
	}
	d.at++
	return d.b[d.at-1]
}

func (d *decoder) number(most uint64, what string) uint64 {
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 || v > most {
		d.fail("no %s (a number of at most %d)", what, most)
		return 0
	}
	d.at += n
	return v
}

func (d *decoder) signed(least, most int64, what string) int64 {
	v, n := binary.Varint(d.b[d.at:])
	if n <= 0 || v < least || v > most {
		d.fail("no %s (a number from %d to %d)", what, least, most)
		return 0
	}
	d.at += n
	return v
}

func (d *decoder) bytes(most int, what string) []byte {
	n := int(d.number(uint64(most), "length of "+what))
	if n > len(d.b)-d.at {
		d.fail("%s has %d bytes, and %d are left", what, n, len(d.b)-d.at)
	}
	if d.why != "" {
		return nil
	}
	d.at += n
	return d.b[d.at-n : d.at]
}

// step reads one step and checks that a Player can carry it out.
func (d *decoder) step() {
	k := d.byte()
	s := step{kind: StepKind(k &^ 0x80)}
	if s.kind >= stepKinds || k&0x80 != 0 && !s.kind.ofCall() || len(d.t.steps) >= maxBlockSteps {
		d.fail("no kind of step: %d", k)
		return
	}
	d.time += time.Duration(d.signed(math.MinInt64, math.MaxInt64, "time"))
	if s.at = d.time; (s.at > maxTime || s.at < -maxTime) && !(s.kind == StepReturn && s.at == Never) {
		d.fail("a time of %v", s.at)
	}
	end := int64(d.t.base + len(d.t.calls))
	if s.kind.ofCall() {
		d.call += d.signed(math.MinInt32, math.MaxInt32, "call")
		if first := k&0x80 != 0; d.call < 0 || first && d.call != end || !first && d.call >= end || end >= math.MaxInt32 {
			d.fail("call %d of %d", d.call, end)
		}
		s.call = int32(d.call)
	}
	if k&0x80 != 0 && d.why == "" {
		d.newCall()
	}
	s.fail = syscall.Errno(d.number(4096, "error"))
	s.ino = Ino(d.number(maxIno, "file"))
	s.ino2 = Ino(d.number(maxIno, "file"))
	s.n = d.signed(math.MinInt64, math.MaxInt64, "value")
	s.share = math.Float64frombits(d.number(math.MaxUint64, "share"))
	if !(s.share >= 0 && s.share <= 1) {
		d.fail("a share of %v", s.share)
	}
	first, second := d.bytes(maxBlock, "data"), d.bytes(maxText, "name")
	if s.kind == StepCut {
		if _, err := ParseChoice(string(first)); err != nil {
			d.fail("%v", err)
		}
	}
	s.from = len(d.t.data)
	d.t.data = append(d.t.data, first...)
	s.mid = len(d.t.data)
	d.t.data = append(d.t.data, second...)
	s.to = len(d.t.data)
	d.t.steps = append(d.t.steps, s)
}

// maxIno is beyond the number of any file.
const maxIno = 1 << 40

// newCall reads what the first step about a call says of it.
func (d *decoder) newCall() {
	if len(d.t.calls) >= maxBlockCalls {
		d.fail("more than %d calls in a block", maxBlockCalls)
	}
	c := Call{ID: d.number(1<<62, "call"), Return: Never}
	c.Kind, c.Flags = OpKind(d.byte()), CallFlags(d.byte())
	if c.Kind < OpOpen || c.Kind > OpList {
		d.fail("no kind of call: %d", c.Kind)
	}
	c.Path, c.Path2 = string(d.bytes(maxText, "path")), string(d.bytes(maxText, "path"))
	c.Ino = Ino(d.number(maxIno, "file"))
	c.Off = d.signed(0, math.MaxInt64, "offset")
	c.Len = d.signed(0, math.MaxInt64, "length")
	c.Enter = time.Duration(d.signed(-maxTime, maxTime, "time"))
	d.t.calls = append(d.t.calls, c)
}
