package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/torntail/torntail/checker/history/edn"
	"github.com/torntail/torntail/checker/history/fressian"
)

// The file format of Jepsen's test.jepsen (jepsen.store.format, versions 0 and
// 1): a magic word, a version, the offset of the block index, and blocks. A
// block has a header of 28 bytes: its length with the header, a CRC-32 of the
// data and then of the header without the sum, its type, and 14 bytes of nothing.
const (
	storeMagic      = "JEPSEN"
	storeHeader     = len(storeMagic) + 4 + 8
	blockHeader     = 8 + 4 + 16
	blockIndex      = 1
	blockFressian   = 2
	blockPartialMap = 3
	blockStream     = 4
	blockBigVector  = 5
)

// store is a test.jepsen.
type store struct {
	f      io.ReaderAt
	size   int64
	blocks map[uint32]int64 // offsets
	most   int64            // size of the largest block that is read
	weight int              // of the largest value in one (fressian.Reader.Most)
	taken  map[uint32]bool  // blocks whose operations were read
}

// decodeStore reads the history of a test.jepsen of size bytes.
func decodeStore(f io.ReaderAt, size int64, o Options) (*File, error) {
	j := newJepsen(o)
	j.unit = unitOperation
	s := &store{f: f, size: size, blocks: map[uint32]int64{}, taken: map[uint32]bool{}, most: j.budget.most / 4, weight: int(min(j.budget.most/valueBytes, math.MaxInt32))}
	root, err := s.index()
	if err != nil {
		return nil, err
	}
	id, err := s.history(root)
	if err != nil {
		return nil, err
	}
	n := 0
	err = s.vector(id, func(op *edn.Value) error {
		n++ // as lines are counted: 0 is none
		if err := j.line(op, n); err != nil {
			return j.at(n, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return j.finish()
}

// index reads the block index, and returns the block of the test.
func (s *store) index() (root uint32, err error) {
	head := make([]byte, storeHeader)
	if _, err := s.f.ReadAt(head, 0); err != nil {
		return 0, fmt.Errorf("the header is cut off")
	}
	if v := binary.BigEndian.Uint32(head[len(storeMagic):]); v > 1 {
		return 0, fmt.Errorf("version %d of Jepsen's store: this program reads versions 0 and 1", v)
	}
	offset := binary.BigEndian.Uint64(head[len(storeMagic)+4:])
	if offset == 0 {
		return 0, errors.New("no block index: the test ended before it wrote anything")
	}
	kind, data, err := s.blockAt(int64(offset))
	switch {
	case err != nil:
		return 0, err
	case kind != blockIndex || len(data) < 4 || (len(data)-4)%12 != 0:
		return 0, fmt.Errorf("offset %d: want the block index", offset)
	}
	root = binary.BigEndian.Uint32(data)
	for data = data[4:]; len(data) > 0; data = data[12:] {
		s.blocks[binary.BigEndian.Uint32(data)] = int64(binary.BigEndian.Uint64(data[4:]))
	}
	if root == 0 {
		return 0, errors.New("the block index names no test")
	}
	return root, nil
}

func (s *store) block(id uint32) (kind uint16, data []byte, err error) {
	offset, ok := s.blocks[id]
	if !ok {
		return 0, nil, fmt.Errorf("block %d is not in the block index", id)
	}
	return s.blockAt(offset)
}

func (s *store) blockAt(offset int64) (kind uint16, data []byte, err error) {
	head := make([]byte, blockHeader)
	if offset < 0 || offset > s.size-int64(blockHeader) {
		return 0, nil, fmt.Errorf("a block at offset %d, beyond the end of the file", offset)
	}
	if _, err := s.f.ReadAt(head, offset); err != nil {
		return 0, nil, fmt.Errorf("offset %d: the block's header is cut off", offset)
	}
	length := int64(binary.BigEndian.Uint64(head))
	sum := binary.BigEndian.Uint32(head[8:])
	kind = binary.BigEndian.Uint16(head[12:])
	switch {
	case length < int64(blockHeader) || length > s.size-offset:
		return 0, nil, fmt.Errorf("offset %d: a block of %d bytes, where the file has %d more", offset, length, s.size-offset)
	case length > s.most:
		return 0, nil, fmt.Errorf("offset %d: a block of %s: more than a quarter of the memory allowed", offset, Size(length))
	}
	data = make([]byte, length-int64(blockHeader))
	if _, err := s.f.ReadAt(data, offset+int64(blockHeader)); err != nil {
		return 0, nil, fmt.Errorf("offset %d: read the block: %w", offset, err)
	}
	clear(head[8:12])
	clear(head[14:])
	crc := crc32.NewIEEE()
	crc.Write(data)
	crc.Write(head)
	if crc.Sum32() != sum {
		return 0, nil, fmt.Errorf("offset %d: the block's checksum is wrong", offset)
	}
	return kind, data, nil
}

// maxChain is how many blocks a map may be spread over.
const maxChain = 32

// valueBytes is more than what one small value takes while it is read.
const valueBytes = 128

// values reads the values of a block.
func (s *store) values(data []byte) *fressian.Reader {
	r := fressian.NewReader(data)
	r.Most = min(r.Most, s.weight)
	return r
}

// history is the block that the test has as its :history.
func (s *store) history(id uint32) (uint32, error) {
	for range maxChain {
		kind, data, err := s.block(id)
		if err != nil {
			return 0, err
		}
		rest := uint32(0)
		switch {
		case kind == blockPartialMap && len(data) >= 4:
			rest, data = binary.BigEndian.Uint32(data), data[4:]
		case kind != blockFressian:
			return 0, fmt.Errorf("block %d: want the test, not a block of type %d", id, kind)
		}
		test, err := s.values(data).Next()
		if err != nil {
			return 0, fmt.Errorf("block %d: the test: %w", id, noEnd(err))
		}
		if h := test.Get("history"); h != nil {
			n, err := refersTo(h)
			if err != nil {
				return 0, fmt.Errorf("block %d: :history: %w", id, err)
			}
			return n, nil
		}
		if id = rest; rest == 0 {
			return 0, errors.New("the test has no :history")
		}
	}
	return 0, errors.New("the test is spread over too many blocks")
}

func refersTo(v *edn.Value) (uint32, error) {
	ref := v.Get(fressian.BlockRef)
	if ref == nil {
		return 0, errors.New("want a reference to a block")
	}
	n, err := ref.Integer()
	if err != nil || n <= 0 || n > 1<<31 {
		return 0, errors.New("want the number of a block")
	}
	return uint32(n), nil
}

// vector calls each for the elements of a vector, wherever they are.
func (s *store) vector(id uint32, each func(*edn.Value) error) error {
	if s.taken[id] {
		return fmt.Errorf("block %d belongs to the history twice", id)
	}
	s.taken[id] = true
	kind, data, err := s.block(id)
	if err != nil {
		return err
	}
	switch kind {
	case blockFressian:
		v, err := s.values(data).Next()
		if err != nil {
			return fmt.Errorf("block %d: %w", id, noEnd(err))
		}
		if v.Kind != edn.Vector && v.Kind != edn.Nil {
			return fmt.Errorf("block %d: want a vector of operations", id)
		}
		for i := range v.Items {
			if err := each(&v.Items[i]); err != nil {
				return err
			}
		}
		return nil
	case blockStream:
		r := s.values(data)
		for {
			v, err := r.Next()
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return fmt.Errorf("block %d: %w", id, err)
			}
			if err := each(v); err != nil {
				return err
			}
		}
	case blockBigVector:
		if len(data) < 8 || (len(data)-8)%12 != 0 {
			return fmt.Errorf("block %d: a vector of blocks with half an entry", id)
		}
		for data = data[8:]; len(data) > 0; data = data[12:] {
			if err := s.vector(binary.BigEndian.Uint32(data[8:]), each); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("block %d: want operations, not a block of type %d", id, kind)
}
