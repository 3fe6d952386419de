package engine

// Replicated is what a server has done for its replicas since it started.
type Replicated struct {
	FullSyncs, PartialSyncs int64
	Master                  bool
}

// Replicated says what the server has done for its replicas. Only while Run is
// not executing.
func (s *Server) Replicated() Replicated {
	return Replicated{FullSyncs: s.repl.FullSyncs, PartialSyncs: s.repl.PartialOK, Master: s.repl.Up == nil}
}
