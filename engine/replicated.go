package engine

// Replicated is what a server has done for its replicas since it started.
type Replicated struct {
	FullSyncs, PartialSyncs int64
	Master                  bool
	ID                      string           // of the history that it is at the end of
	Offset                  int64            // at which it is there
	Said                    map[string]int64 // as a replica: the offset of each history up to which it has acknowledged it
}

// Replicated says what the server has done for its replicas. Only while Run is
// not executing.
func (s *Server) Replicated() Replicated {
	return Replicated{FullSyncs: s.repl.FullSyncs, PartialSyncs: s.repl.PartialOK, Master: s.repl.Up == nil, ID: s.repl.ID, Offset: s.repl.Offset, Said: s.repl.Said}
}
