package disk

import (
	"encoding/binary"
	"math/bits"
)

// Hash is the same for two disks that calls cannot tell apart: names, contents
// and links, not times, modes or numbers of files.
func (d *Disk) Hash() uint64 {
	h := hasher(0x2545f4914f6cdd1d)
	d.pass++
	order := uint64(0)
	d.hashDir(&h, d.inodes[Root], &order)
	return uint64(h)
}

func (d *Disk) hashDir(h *hasher, dir *inode, order *uint64) {
	h.word(uint64(len(dir.ents)))
	for _, e := range dir.ents {
		h.bytes([]byte(e.Name))
		n := d.inodes[e.Ino]
		switch {
		case n.dir:
			h.word(1)
			d.hashDir(h, n, order)
		case n.pass == d.pass:
			h.word(2) // another name of a file seen before
			h.word(uint64(n.lastSize))
		default:
			n.pass = d.pass
			n.lastSize = int32(*order)
			*order++
			h.word(3)
			d.hashFile(h, n)
		}
	}
}

func (d *Disk) hashFile(h *hasher, n *inode) {
	size := n.vol.size
	h.word(uint64(size))
	// Trailing zeroes of a chunk and holes hash alike: nothing marks either.
	for i, k := range n.vol.chunks {
		if k == nil {
			continue
		}
		b := k.b[:min(int64(len(k.b)), max(0, size-int64(i)*chunkSize))]
		for len(b) > 0 && b[len(b)-1] == 0 {
			b = b[:len(b)-1]
		}
		if len(b) > 0 {
			h.word(uint64(i))
			h.bytes(b)
		}
	}
}

// hasher mixes eight bytes at a time. It is not cryptographic; it must be fast
// and the same on every machine, which hash/maphash is not.
type hasher uint64

func (h *hasher) word(v uint64) {
	hi, lo := bits.Mul64(uint64(*h)^v^0x9e3779b97f4a7c15, 0xa0761d6478bd642f)
	*h = hasher(hi ^ lo)
}

func (h *hasher) bytes(b []byte) {
	h.word(uint64(len(b)))
	for ; len(b) >= 16; b = b[16:] {
		hi, lo := bits.Mul64(binary.LittleEndian.Uint64(b)^uint64(*h), binary.LittleEndian.Uint64(b[8:])^0xe7037ed1a0b428db)
		*h = hasher(hi ^ lo)
	}
	if len(b) >= 8 {
		h.word(binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var tail [8]byte
	copy(tail[:], b)
	h.word(binary.LittleEndian.Uint64(tail[:]))
}
