// Package rdb reads and writes the snapshot format of Redis, RDB version 10, as
// redis-server 7.0.15 writes it: the frame of a file, and the strings, lengths,
// numbers and packed forms that values are made of. How a type's values are
// made of these is said by the type itself (engine/keyspace).
//
// The reader trusts nothing: a length is checked against what is left of the
// file before anything is allocated, and every error has the file and the
// offset.
package rdb

import (
	"fmt"
	"hash/crc64"
)

// Version is the format version written.
const Version = 10

// Versions that are read: Redis's up to that of 7.4 and 8.0, and Valkey 9's own,
// whose files begin with another word. What is new in them is read, or refused
// by name.
const (
	newestRedis  = 12
	newestValkey = 80
)

// Opcodes and value types (redis 7.0.15 rdb.h).
const (
	opSlotImport = 243 // Valkey 9
	opSlotInfo   = 244 // of a cluster's slot, since 7.4
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
	len6         = 0x00
	len14        = 0x40
	len32        = 0x80
	len64        = 0x81
	encInt8      = 0xC0
	encInt16     = 0xC1
	encInt32     = 0xC2
	encLZF       = 0xC3
	minCompress  = 21        // shorter strings are not tried (rdbSaveRawString: len > 20)
	maxString    = 512 << 20 // proto-max-bulk-len's default
	lzfExpansion = 264       // most bytes a single LZF instruction makes
)

// Value types (redis 7.0.15 rdb.h).
const (
	TypeString          = 0
	TypeList            = 1
	TypeSet             = 2
	TypeZSet            = 3
	TypeHash            = 4
	TypeZSet2           = 5 // scores in binary
	TypeModule          = 6
	TypeModule2         = 7
	TypeZipmap          = 9 // a hash
	TypeListZiplist     = 10
	TypeSetIntset       = 11
	TypeZSetZiplist     = 12
	TypeHashZiplist     = 13
	TypeListQuicklist   = 14 // of ziplists
	TypeStream          = 15
	TypeHashListpack    = 16
	TypeZSetListpack    = 17
	TypeListQuicklist2  = 18 // of listpacks and plain nodes
	TypeStream2         = 19 // with first and highest deleted identifiers
	TypeSetListpack     = 20 // since 7.2
	TypeStream3         = 21 // since 7.2
	TypeHashMetadataPre = 22 // of a release candidate of 7.4
	TypeHashListpackPre = 23
	TypeHashMetadata    = 24 // since 7.4: fields that expire
	TypeHashListpackEx  = 25
)

// NewestType is the last value type of the format version that is written.
const NewestType = TypeStream2

// refused names the value types that are known and not read.
var refused = map[byte]string{
	TypeHashMetadataPre: "hash with expiring fields, of a release candidate",
	TypeHashListpackPre: "hash with expiring fields, of a release candidate",
	TypeHashMetadata:    "hash with expiring fields", TypeHashListpackEx: "hash with expiring fields",
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
	Stopped              // by whoever wanted it
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
