package rdb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
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
	return sealed(&e, &out)
}

// sealed is what was written, with the version and the checksum behind it.
func sealed(e *Encoder, out *bytes.Buffer) []byte {
	e.flush()
	b := binary.LittleEndian.AppendUint16(out.Bytes(), Version)
	return binary.LittleEndian.AppendUint64(b, updateCRC(0, b))
}

// FunctionPayload is what FUNCTION DUMP answers: each library's code as it stands in
// a snapshot.
func FunctionPayload(compress bool, codes []string) []byte {
	var out bytes.Buffer
	e := Encoder{out: &out, comp: compress}
	for _, code := range codes {
		e.byte(opFunction2)
		e.Text(code)
	}
	return sealed(&e, &out)
}

// OpenFunctionPayload is the code of the libraries in a payload. Errors have
// redis-server's texts (redis 7.0.15 functions.c functionRestoreCommand).
func OpenFunctionPayload(p []byte) (codes []string, err error) {
	if err := checkPayload(p); err != nil {
		return nil, err
	}
	d := new(Decoder)
	d.Reset("payload", bytes.NewReader(p), int64(len(p)), false)
	for d.Left() > footer {
		switch d.Byte("a type") {
		case opFunction2:
			codes = append(codes, string(d.Str("a function")))
		case opFunction: // before 7.0.0: name, engine, description, code
			name, engine := d.Str("a name"), d.Str("an engine")
			if d.Len("a description") != 0 {
				d.Str("a description")
			}
			codes = append(codes, "#!"+string(engine)+" name="+string(name)+"\n"+string(d.Str("a function")))
		default:
			return nil, errors.New("given type is not a function")
		}
		if !d.OK() {
			//lint:ignore ST1005 redis-server words it so
			return nil, errors.New("Failed loading library data")
		}
	}
	return codes, nil
}

// ErrPayload is redis-server's own text for a payload that is not whole, or of a
// later version.
var ErrPayload = errors.New("DUMP payload version or checksum are wrong")

// OpenPayload checks a payload's version and checksum and returns a decoder
// behind its type (redis 7.0.15 cluster.c verifyDumpPayload).
func OpenPayload(p []byte) (d *Decoder, kind byte, err error) {
	if err := checkPayload(p); err != nil {
		return nil, 0, err
	}
	return openPayload(p)
}

// OpenUnchecked is OpenPayload, whatever the checksum is.
func OpenUnchecked(p []byte) (d *Decoder, kind byte, err error) {
	if version(p) > Version {
		return nil, 0, ErrPayload
	}
	return openPayload(p)
}

func openPayload(p []byte) (d *Decoder, kind byte, err error) {
	d = new(Decoder)
	d.Reset("payload", bytes.NewReader(p), int64(len(p)), false)
	return d, d.Byte("the type"), nil
}

// version is a payload's; of what is too short for one, none that can be read.
func version(p []byte) uint16 {
	if len(p) < footer {
		return math.MaxUint16
	}
	return binary.LittleEndian.Uint16(p[len(p)-footer:])
}

func checkPayload(p []byte) error {
	end := len(p) - footer
	if version(p) > Version || binary.LittleEndian.Uint64(p[end+2:]) != updateCRC(0, p[:end+2]) {
		return ErrPayload
	}
	return nil
}
