package keyspace

import (
	"crypto/sha1"
	"encoding/binary"
)

// Digest is the SHA-1 based digest of DEBUG DIGEST: independent of the order
// of keys, sensitive to everything else but the expiry times themselves, and
// equal to what redis-server prints for the same data (redis 7.0.15 debug.c
// computeDatasetDigest).
func (k *Keyspace) Digest() [20]byte {
	var final [20]byte
	for i := range k.dbs {
		db := &k.dbs[i]
		if db.Len() == 0 {
			continue
		}
		mixNumber(&final, uint32(i))
		db.Each(func(key string, o *Object, expire int64) bool {
			d := o.digest([]byte(key), expire)
			xor(&final, d[:])
			return true
		})
	}
	return final
}

// digest is a key's part of Digest: of its name, its value and whether it
// expires.
func (o *Object) digest(key []byte, expireAtMs int64) (d [20]byte) {
	mix(&d, key)
	o.mixValue(&d, expireAtMs)
	return d
}

// ValueDigest is DEBUG DIGEST-VALUE's.
func (o *Object) ValueDigest(expireAtMs int64) (d [20]byte) {
	o.mixValue(&d, expireAtMs)
	return d
}

func (o *Object) mixValue(d *[20]byte, expireAtMs int64) {
	mixNumber(d, uint32(o.Kind)-1)
	if o.Kind == String {
		mix(d, o.Str)
	} else {
		o.Coll.digest(d)
	}
	if expireAtMs != 0 {
		xor(d, []byte("!!expire!!"))
	}
}

// xor adds data so that the order of additions does not matter.
func xor(digest *[20]byte, data []byte) {
	h := sha1.Sum(data)
	for i := range digest {
		digest[i] ^= h[i]
	}
}

// mix adds data so that the order of additions matters.
func mix(digest *[20]byte, data []byte) {
	xor(digest, data)
	*digest = sha1.Sum(digest[:])
}

func mixNumber(digest *[20]byte, n uint32) {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	mix(digest, b[:])
}
