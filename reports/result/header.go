package result

import "time"

// Header begins the JSON form of what a command found: which form it is, how it can be
// had again, and where it was.
type Header struct {
	Schema   int       `json:"schema"`            // version of the form
	Torntail string    `json:"torntail"`          // version of torntail
	Command  string    `json:"command,omitempty"` // as it would be typed again
	Seed     uint64    `json:"seed"`
	Started  time.Time `json:"started,omitzero"`    // zero: not known
	ElapsedS float64   `json:"elapsed_s,omitempty"` // 0: not known
	Machine  Machine   `json:"machine,omitzero"`
	// Interrupted: what was not tried is unknown.
	Interrupted bool `json:"interrupted,omitempty"`
}
