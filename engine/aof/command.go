package aof

import (
	"strconv"

	"github.com/torntail/torntail/engine/keyspace"
)

// AppendCommand appends a command in the form it has in the file.
func AppendCommand(dst []byte, argv [][]byte) []byte {
	dst = appendHead(dst, '*', int64(len(argv)))
	for _, a := range argv {
		dst = appendBulk(dst, a)
	}
	return dst
}

// AppendSelect appends the SELECT that precedes a command for another database.
func AppendSelect(dst []byte, db int) []byte {
	dst = append(dst, "*2\r\n$6\r\nSELECT\r\n"...)
	return appendBulkInt(dst, int64(db))
}

// AppendFunction appends the command that loads a library.
func AppendFunction(dst []byte, code string) []byte {
	dst = append(dst, "*3\r\n$8\r\nFUNCTION\r\n$4\r\nLOAD\r\n"...)
	return appendBulkString(dst, code)
}

// AppendTimestamp appends the annotation of aof-timestamp-enabled.
func AppendTimestamp(dst []byte, unixSeconds int64) []byte {
	dst = append(dst, "#TS:"...)
	dst = strconv.AppendInt(dst, unixSeconds, 10)
	return append(dst, '\r', '\n')
}

func appendHead(dst []byte, mark byte, n int64) []byte {
	dst = append(dst, mark)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '\r', '\n')
}

func appendBulk(dst, s []byte) []byte {
	dst = appendHead(dst, '$', int64(len(s)))
	dst = append(dst, s...)
	return append(dst, '\r', '\n')
}

func appendBulkString(dst []byte, s string) []byte {
	dst = appendHead(dst, '$', int64(len(s)))
	dst = append(dst, s...)
	return append(dst, '\r', '\n')
}

func appendBulkInt(dst []byte, v int64) []byte {
	var b [20]byte
	return appendBulk(dst, strconv.AppendInt(b[:0], v, 10))
}

// AppendKey appends the commands that rebuild one key (rewriteAppendOnlyFileRio).
func AppendKey(dst []byte, key string, o *keyspace.Object, expireAtMs int64) []byte {
	if o.Kind == keyspace.String {
		dst = append(dst, "*3\r\n$3\r\nSET\r\n"...)
		dst = appendBulkString(dst, key)
		dst = appendBulk(dst, o.Str)
	} else {
		o.Rebuild([]byte(key), func(argv [][]byte) { dst = AppendCommand(dst, argv) })
	}
	if expireAtMs != 0 {
		dst = append(dst, "*3\r\n$9\r\nPEXPIREAT\r\n"...)
		dst = appendBulkString(dst, key)
		dst = appendBulkInt(dst, expireAtMs)
	}
	return dst
}
