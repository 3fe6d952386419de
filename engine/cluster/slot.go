package cluster

import (
	"bytes"
	"math/bits"
	"strconv"
)

// Slots is the number of hash slots of a cluster.
const Slots = 16384

// crcTable is of CRC16/XMODEM (polynomial 0x1021, Redis Cluster specification, appendix A).
var crcTable = func() (t [256]uint16) {
	for i := range t {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[i] = crc
	}
	return t
}()

// KeySlot is the hash slot of a key: of what stands between its first { and the next }, if
// anything does, else of all of it (redis 7.0.15 cluster.c keyHashSlot).
func KeySlot(key []byte) int {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if n := bytes.IndexByte(key[open+1:], '}'); n > 0 {
			key = key[open+1 : open+1+n]
		}
	}
	crc := uint16(0)
	for _, b := range key {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^b]
	}
	return int(crc) % Slots
}

// SlotSet is a set of slots, as messages have it.
type SlotSet [Slots / 8]byte

// Has reports whether a slot, 0 <= slot < Slots, is in the set.
func (s *SlotSet) Has(slot int) bool { return s[slot/8]&(1<<(slot%8)) != 0 }

func (s *SlotSet) add(slot int)    { s[slot/8] |= 1 << (slot % 8) }
func (s *SlotSet) remove(slot int) { s[slot/8] &^= 1 << (slot % 8) }

// Len is how many slots are in the set.
func (s *SlotSet) Len() (n int) {
	for _, b := range s {
		n += bits.OnesCount8(b)
	}
	return n
}

// Range is slots that follow each other, both ends included.
type Range struct{ First, Last int }

// Ranges are the slots of the set, in order.
func (s *SlotSet) Ranges() (out []Range) {
	for slot := 0; slot < Slots; slot++ {
		if s[slot/8] == 0 { // most are
			slot |= 7
			continue
		}
		if !s.Has(slot) {
			continue
		}
		if n := len(out); n > 0 && out[n-1].Last == slot-1 {
			out[n-1].Last = slot
		} else {
			out = append(out, Range{slot, slot})
		}
	}
	return out
}

func (r Range) String() string {
	if r.First == r.Last {
		return strconv.Itoa(r.First)
	}
	return strconv.Itoa(r.First) + "-" + strconv.Itoa(r.Last)
}
