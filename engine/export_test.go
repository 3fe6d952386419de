package engine

// Waiting is the number of batches that wait for the next turn.
func (s *Server) Waiting() int { return len(s.pending) }
