package machine

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
)

// TestConfigurationsAreForgotten: a machine whose every setup has other directives does
// not grow by them.
func TestConfigurationsAreForgotten(t *testing.T) {
	m := NewSimulated()
	defer m.Close()
	mode, err := redis.ModeByName("everysec")
	require.NoError(t, err)
	for i := range 20 * mostConfigs {
		other := mode.With([]product.Directive{{Name: "hz", Value: strconv.Itoa(1 + i%500)}, {Name: "maxmemory", Value: strconv.Itoa(i)}})
		require.NoError(t, m.Configure(&other))
		require.EqualValues(t, i, m.conf.Maxmemory)
		require.LessOrEqual(t, len(m.configs), mostConfigs)
	}
}
