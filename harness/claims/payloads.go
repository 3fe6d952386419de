package claims

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"strconv"
)

// This file measures what RESTORE makes of damaged payloads (P24).

// sanitizedPayloads restores payloads with one random bit flipped and a checksum
// that is right for them, and reads what was accepted.
func sanitizedPayloads(l *lab) (Measurement, error) {
	const n = 300
	figure := ""
	var crashed [2]int
	for i, value := range []string{"yes", "no"} {
		accepted, rejected := 0, 0
		err := l.on(options{}, func(m *computer) error {
			if err := m.start(preset("none", "sanitize-dump-payload "+value)...); err != nil {
				return err
			}
			dumps, err := payloads(m)
			if err != nil {
				return err
			}
			for k := range n {
				payload := []byte(dumps[k%len(dumps)])
				body := payload[:len(payload)-8]
				bit := m.env().Uint64() % uint64(8*(len(body)-2)) // the version stays
				body[bit/8] ^= 1 << (bit % 8)
				payload = appendCRC64(body)
				r, err := do(m, "RESTORE", "r", "0", string(payload), "REPLACE")
				if err == nil && !r.error {
					accepted++
					for _, read := range [][]string{{"DEL", "copy"}, {"COPY", "r", "copy"}, {"DUMP", "r"}, {"LRANGE", "r", "0", "-1"}, {"HGETALL", "r"}, {"ZRANGE", "r", "0", "-1", "WITHSCORES"}, {"SMEMBERS", "r"}, {"GET", "r"}, {"ZADD", "r", "3", "new"}, {"HSET", "r", "new", "1"}, {"DEL", "r"}} {
						if _, err = do(m, read...); err != nil {
							break
						}
					}
				} else if err == nil {
					rejected++
				}
				if !m.running() || err != nil {
					if !m.awaitDown(replyLimit) {
						return fmt.Errorf("RESTORE: %w", err)
					}
					crashed[i]++
					if err := m.again(); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return Measurement{}, err
		}
		figure += fmt.Sprintf("; %s: %d of %d damaged payloads rejected, %d accepted, %d crashed the server", value, rejected, n, accepted, crashed[i])
	}
	return decide(crashed[0] == 0, 2*n, "%s", figure[2:])
}

// payloads are DUMPs of small values of each type that has a packed encoding.
func payloads(m *computer) ([]string, error) {
	var dumps []string
	for i, create := range [][]string{
		{"RPUSH", "l", "a", "bb", "300", "-7", "70000", "a longer element of the list"},
		{"HSET", "h", "f", "1", "g", "two", "i", "333333"},
		{"ZADD", "z", "1", "a", "2.5", "b", "-3", "c"},
		{"SADD", "s", "1", "2", "300", "70000"},
		{"SET", "t", "a string"},
	} {
		if _, err := must(m, create...); err != nil {
			return nil, err
		}
		r, err := must(m, "DUMP", create[1])
		if err != nil {
			return nil, err
		}
		if len(r.text) < 11 {
			return nil, fmt.Errorf("DUMP %s has %s bytes (value %d)", create[1], strconv.Itoa(len(r.text)), i)
		}
		dumps = append(dumps, r.text)
	}
	return dumps, nil
}

// checksum is that of DUMP payloads (redis 7.0.15 crc64.c: the Jones polynomial,
// reflected, without the inversions that the standard library does).
var checksum = crc64.MakeTable(0x95ac9329ac4bc9b5)

// appendCRC64 completes a payload.
func appendCRC64(body []byte) []byte {
	return binary.LittleEndian.AppendUint64(body, ^crc64.Update(^uint64(0), checksum, body))
}
