package result

// Samples are the figures of single crashes, for everything that a few
// percentiles cannot answer: whether two runs differ by more than chance, how a
// distribution looks. Each list is in the order of the experiments.
type Samples struct {
	// WindowMS and Lost are of the crashes that the loss figures count, one entry
	// each in both: how far back the loss reached, and how many acknowledged
	// writes it took.
	WindowMS []float64 `json:"window_ms,omitempty"`
	Lost     []int     `json:"lost,omitempty"`
	// Rate is acknowledged writes a second while clients wrote, of every crash
	// that struck.
	Rate []float64 `json:"rate,omitempty"`
	// RecoveryMS is the time from the restart until the server served, of every
	// crash after which it did.
	RecoveryMS []float64 `json:"recovery_ms,omitempty"`
}
