package verdict

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVerdictsInJSON(t *testing.T) {
	for _, v := range []Verdict{Holds, Violated, Unknown} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		var back Verdict
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, v, back)
	}
	var v Verdict
	assert.ErrorContains(t, json.Unmarshal([]byte(`"n/a"`), &v), `verdict "n/a": expected "holds", "violated" or "unknown"`,
		"the checkers do not say it")
}
