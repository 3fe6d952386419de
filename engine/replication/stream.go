package replication

// chunkSize is how many bytes a piece of the stream holds (redis 7.0.15
// PROTO_REPLY_CHUNK_BYTES).
const chunkSize = 16 << 10

// Stream is the tail of the replication stream that is kept in memory: the
// backlog, and what some replica has not been sent yet. Offsets count bytes of
// the stream from 1 on; the byte at First is the first that is kept.
//
// All readers share one copy (redis 7.0.15 replBufBlock): a replica that has
// fallen behind costs the memory between it and the others, once.
type Stream struct {
	chunks [][]byte
	First  int64
	End    int64 // offset of the next byte; End-First bytes are kept
}

// Len is the number of bytes kept.
func (s *Stream) Len() int64 { return s.End - s.First }

// Holds reports whether a reader may go on at an offset.
func (s *Stream) Holds(offset int64) bool { return offset >= s.First && offset <= s.End }

func (s *Stream) write(p []byte) {
	s.End += int64(len(p))
	for len(p) > 0 {
		n := len(s.chunks)
		if n == 0 || len(s.chunks[n-1]) == cap(s.chunks[n-1]) {
			s.chunks = append(s.chunks, make([]byte, 0, s.nextChunk()))
			n++
		}
		last := &s.chunks[n-1]
		k := min(len(p), cap(*last)-len(*last))
		*last = append(*last, p[:k]...)
		p = p[k:]
	}
}

// nextChunk lets a stream start small: a simulation has many that stay so.
func (s *Stream) nextChunk() int {
	if len(s.chunks) == 0 {
		return 1 << 10
	}
	return min(2*cap(s.chunks[len(s.chunks)-1]), chunkSize)
}

// trim lets go of whole chunks so long as what stays holds keep bytes and
// begins no later than from.
func (s *Stream) trim(keep, from int64) {
	drop := 0
	for drop < len(s.chunks)-1 {
		n := int64(len(s.chunks[drop]))
		if s.Len()-n < keep || s.First+n > from {
			break
		}
		s.First += n
		drop++
	}
	if drop > 0 {
		// The chunks themselves are not reused: a writer may still be sending one.
		kept := copy(s.chunks, s.chunks[drop:])
		clear(s.chunks[kept:])
		s.chunks = s.chunks[:kept]
	}
}

// At returns bytes from an offset on: all that one piece of memory has, and
// none at the end. They are never changed.
func (s *Stream) At(offset int64) []byte {
	if offset < s.First || offset >= s.End {
		return nil
	}
	// Readers are nearly always at the end.
	start := s.End
	for i := len(s.chunks) - 1; i >= 0; i-- {
		c := s.chunks[i]
		start -= int64(len(c))
		if offset >= start {
			return c[offset-start : len(c) : len(c)]
		}
	}
	return nil
}
