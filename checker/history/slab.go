package history

import "strings"

// slab holds many short strings in few pieces of memory: most values are short,
// and there are as many as operations.
type slab struct{ b strings.Builder }

// slabBytes is the size of the pieces of memory.
const slabBytes = 16 << 10

// copied is b as a string that outlives it.
func (s *slab) copied(b []byte) string {
	if len(b) > slabBytes/8 {
		return string(b)
	}
	if len(b) > s.b.Cap()-s.b.Len() {
		s.b = strings.Builder{}
		s.b.Grow(slabBytes)
	}
	from := s.b.Len()
	s.b.Write(b)
	return s.b.String()[from:]
}
