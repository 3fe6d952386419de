package machine

import (
	"os"
	"testing"

	"github.com/torntail/torntail/faults/guard"
)

func TestMain(m *testing.M) {
	guard.Main()
	os.Exit(m.Run())
}
