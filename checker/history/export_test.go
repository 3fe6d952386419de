package history

import (
	"encoding/binary"
	"hash/crc32"
)

var DecodeStore = decodeStore

// FixChecksums puts the checksums right of the block at offset, and of those
// that it names if it is an index.
func FixChecksums(b []byte, offset int64) {
	for _, at := range append(fix(b, offset), offset) {
		fix(b, at)
	}
}

// fix returns the offsets that an index names.
func fix(b []byte, offset int64) (names []int64) {
	if offset < 0 || offset > int64(len(b)-blockHeader) {
		return nil
	}
	length := int64(binary.BigEndian.Uint64(b[offset:]))
	if length < int64(blockHeader) || length > int64(len(b))-offset {
		return nil
	}
	head := append([]byte{}, b[offset:offset+int64(blockHeader)]...)
	clear(head[8:12])
	clear(head[14:])
	data := b[offset+int64(blockHeader) : offset+length]
	crc := crc32.NewIEEE()
	crc.Write(data)
	crc.Write(head)
	binary.BigEndian.PutUint32(b[offset+8:], crc.Sum32())
	if binary.BigEndian.Uint16(head[12:]) == blockIndex && len(data) >= 4 {
		for data = data[4:]; len(data) >= 12; data = data[12:] {
			names = append(names, int64(binary.BigEndian.Uint64(data[4:])))
		}
	}
	return names
}
