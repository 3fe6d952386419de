package rdb

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// footer is the length of a payload's version and checksum, in bytes.
const footer = 2 + 8

// Payload is what DUMP answers: a value's type, what save writes, the version
// of the format, two bytes, and the CRC64 of all that.
func Payload(kind byte, compress bool, save func(e *Encoder)) []byte {
	var out bytes.Buffer
	e := Encoder{out: &out, comp: compress}
	e.byte(kind)
	save(&e)
	e.flush()
	b := binary.LittleEndian.AppendUint16(out.Bytes(), Version)
	return binary.LittleEndian.AppendUint64(b, updateCRC(0, b))
}

// ErrPayload is redis-server's own text for a payload that is not whole, or of a
// later version.
var ErrPayload = errors.New("DUMP payload version or checksum are wrong")

// OpenPayload checks a payload's version and checksum and returns a decoder
// behind its type (redis 7.0.15 cluster.c verifyDumpPayload).
func OpenPayload(p []byte) (d *Decoder, kind byte, err error) {
	if len(p) < footer {
		return nil, 0, ErrPayload
	}
	end := len(p) - footer
	if binary.LittleEndian.Uint16(p[end:]) > Version || binary.LittleEndian.Uint64(p[end+2:]) != updateCRC(0, p[:end+2]) {
		return nil, 0, ErrPayload
	}
	d = new(Decoder)
	d.Reset("payload", bytes.NewReader(p), int64(len(p)), false)
	return d, d.Byte("the type"), nil
}
