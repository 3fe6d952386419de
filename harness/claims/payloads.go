package claims

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
)

// This file measures what RESTORE makes of damaged payloads (P24).

// sanitizedPayloads restores payloads with one random bit flipped and a checksum
// that is right for them, and reads what was accepted.
func sanitizedPayloads(l *lab) Measurement {
	const n = 300
	figure := ""
	var crashed [2]int
	for i, value := range []string{"yes", "no"} {
		accepted, rejected := 0, 0
		l.on(options{}, func(m *computer) {
			m.start(preset("none", "sanitize-dump-payload "+value)...)
			dumps := payloads(m)
			for k := range n {
				payload := []byte(dumps[k%len(dumps)])
				body := payload[:len(payload)-8]
				bit := m.Env().Uint64() % uint64(8*(len(body)-2)) // the version stays
				body[bit/8] ^= 1 << (bit % 8)
				payload = appendCRC64(body)
				r, err := do(m, "RESTORE", "r", "0", string(payload), "REPLACE")
				if err == nil && !refused(r) {
					accepted++
					for _, read := range [][]string{{"DEL", "copy"}, {"COPY", "r", "copy"}, {"DUMP", "r"}, {"LRANGE", "r", "0", "-1"}, {"HGETALL", "r"}, {"ZRANGE", "r", "0", "-1", "WITHSCORES"}, {"SMEMBERS", "r"}, {"GET", "r"}, {"ZADD", "r", "3", "new"}, {"HSET", "r", "new", "1"}, {"DEL", "r"}} {
						if _, err = do(m, read...); err != nil {
							break
						}
					}
				} else if err == nil {
					rejected++
				}
				if !m.Running() || err != nil {
					if !m.awaitDown(replyLimit) {
						fail("RESTORE: %w", err)
					}
					crashed[i]++
					m.again()
				}
			}
		})
		figure += fmt.Sprintf("; %s: %d of %d damaged payloads rejected, %d accepted, %d crashed the server", value, rejected, n, accepted, crashed[i])
	}
	return decide(crashed[0] == 0, 2*n, "%s", figure[2:])
}

// payloads are DUMPs of small values of each type that has a packed encoding.
func payloads(m *computer) (dumps []string) {
	for _, create := range [][]string{
		{"RPUSH", "l", "a", "bb", "300", "-7", "70000", "a longer element of the list"},
		{"HSET", "h", "f", "1", "g", "two", "i", "333333"},
		{"ZADD", "z", "1", "a", "2.5", "b", "-3", "c"},
		{"SADD", "s", "1", "2", "300", "70000"},
		{"SET", "t", "a string"},
	} {
		must(m, create...)
		r := must(m, "DUMP", create[1])
		if len(r.Data) < 11 {
			fail("DUMP %s has %d bytes", create[1], len(r.Data))
		}
		dumps = append(dumps, string(r.Data))
	}
	return dumps
}

// checksum is that of DUMP payloads (redis 7.0.15 crc64.c: the Jones polynomial,
// reflected, without the inversions that the standard library does).
var checksum = crc64.MakeTable(0x95ac9329ac4bc9b5)

// appendCRC64 completes a payload.
func appendCRC64(body []byte) []byte {
	return binary.LittleEndian.AppendUint64(body, ^crc64.Update(^uint64(0), checksum, body))
}
