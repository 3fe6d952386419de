// Package rdb reads and writes the snapshot format of Redis, RDB version 10, as
// redis-server 7.0.15 writes it, for strings and lists.
//
// Everything 7.0.15 writes for these types is read: integer-encoded strings,
// LZF-compressed strings, lists as quicklists of listpacks and of plain nodes,
// expiry times, LRU and LFU hints, auxiliary fields and functions (skipped).
// Other types are refused by name. The reader trusts nothing: a length is
// checked against what is left of the file before anything is allocated, and
// every error has the file and the offset.
package rdb

import (
	"fmt"
	"hash/crc64"
)

// Version is the format version written; files up to it are read.
const Version = 10

// Opcodes and value types (redis 7.0.15 rdb.h).
const (
	opFunction2  = 245
	opFunction   = 246
	opModuleAux  = 247
	opIdle       = 248
	opFreq       = 249
	opAux        = 250
	opResizeDB   = 251
	opExpireMs   = 252
	opExpireSec  = 253
	opSelectDB   = 254
	opEOF        = 255
	typeString   = 0
	typeList     = 1
	typeQuick2   = 18
	nodePlain    = 1
	nodePacked   = 2
	len6         = 0x00
	len14        = 0x40
	len32        = 0x80
	len64        = 0x81
	encInt8      = 0xC0
	encInt16     = 0xC1
	encInt32     = 0xC2
	encLZF       = 0xC3
	minCompress  = 21 // shorter strings are not tried (rdbSaveRawString: len > 20)
	maxListpack  = 8192
	maxString    = 512 << 20 // proto-max-bulk-len's default
	lzfExpansion = 264       // most bytes a single LZF instruction makes
)

// typeNames names the value types this package refuses, for the error.
var typeNames = map[byte]string{
	2: "set", 3: "sorted set", 4: "hash", 5: "sorted set", 6: "module", 7: "module",
	9: "zipmap hash", 10: "ziplist list", 11: "integer set", 12: "ziplist sorted set", 13: "ziplist hash",
	14: "ziplist quicklist", 15: "stream", 16: "listpack hash", 17: "listpack sorted set", 19: "stream",
}

// Error says why a file could not be read.
type Error struct {
	File   string
	Offset int64 // where the part begins that is wrong
	Kind   Kind
	What   string // in redis-server's words where it has any
	Err    error  // the file system's own error, if that was the cause
}

// Kind is the kind of an Error.
type Kind uint8

// The kinds.
const (
	Corrupt  Kind = iota // the content makes no sense, or is not supported
	Short                // the file ends too early, or cannot be read
	Checksum             // the CRC64 does not match
	Foreign              // not a snapshot, or one of a later version
)

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: offset %d: %s: %v", e.File, e.Offset, e.What, e.Err)
	}
	return fmt.Sprintf("%s: offset %d: %s", e.File, e.Offset, e.What)
}

func (e *Error) Unwrap() error { return e.Err }

// crcTable is the Jones polynomial, reflected (redis crc64.c).
var crcTable = crc64.MakeTable(0x95ac9329ac4bc9b5)

// updateCRC continues Redis's CRC64, which has neither initial nor final
// complement; the standard library's has both, so they are undone here.
func updateCRC(crc uint64, p []byte) uint64 {
	return ^crc64.Update(^crc, crcTable, p)
}
