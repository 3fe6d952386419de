package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Each directive without effect has a reason, and no other.
func TestInertDirectivesHaveReasons(t *testing.T) {
	for _, d := range table {
		assert.Equal(t, d.inert, Why(d.name) != "", d.name)
	}
	for name := range inertReasons {
		assert.Contains(t, directives, name)
	}
}
