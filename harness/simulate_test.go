package harness

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/workloads"
)

func TestTry(t *testing.T) {
	s := NewSimulator()
	defer s.Close()
	for _, name := range DefaultModes {
		for _, cr := range DefaultCrashes {
			m, _ := ModeByName(name)
			crash, _ := CrashByName(cr)
			if crash.needs(&m) != "" {
				continue
			}
			for n := range uint64(6) {
				c := Campaign{Workload: workloads.Default(), Personality: "ext4", Profile: "cloud-ssd", Seed: 1}
				x := c.Experiment(&m, &crash, n)
				o, err := s.Run(x, nil)
				require.NoError(t, err, x.Plan.String())
				t.Logf("%s %s: %s struck=%v %s acked=%d lost=%d window=%s rec=%d took=%s span=%s point=%q cut=%d/%d find=%v anom=%v", name, cr, o.Verdict, o.Struck, o.Why, o.Acked, o.Lost, o.Window, o.Recovery, o.Took, o.Span, o.CrashPoint, o.Cut.Ops, o.Cut.Bytes, o.Findings, len(o.Anomalies))
				if len(o.Anomalies) > 0 {
					t.Logf("%s\n%s\n%s", x.Plan, o.Anomalies[0].Name, o.Anomalies[0].Story)
				}
			}
		}
	}
	_ = os.Stdout
}
