package engine

// Waiting is the number of batches that wait for the next turn.
func (s *Server) Waiting() int { return len(s.pending) }

// Has reports whether there is a command of that name ("config|get" for a subcommand).
func Has(name string) bool {
	for _, cmd := range commandList {
		if cmd.fullName == name {
			return true
		}
		for _, sub := range cmd.sub {
			if sub.fullName == name {
				return true
			}
		}
	}
	return false
}
