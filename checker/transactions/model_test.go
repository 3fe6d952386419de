package transactions

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
)

// TestWeakestModels: the weakest models that each anomaly alone rules out, as
// Elle's consistency models have them.
func TestWeakestModels(t *testing.T) {
	want := map[anomaly.Name][]Model{
		anomaly.Phantom: {ReadUncommitted}, DuplicateElements: {ReadUncommitted}, CyclicVersions: {ReadUncommitted}, G0: {ReadUncommitted},
		G1a: {ReadCommitted}, G1b: {ReadCommitted}, G1c: {ReadCommitted}, IncompatibleOrder: {ReadCommitted}, DirtyUpdate: {ReadCommitted}, FutureRead: {ReadCommitted},
		Internal:   {ReadAtomic},
		LostUpdate: {CursorStability, UpdateAtomic},
		GSingle:    {ConsistentView, RepeatableRead}, GNonadjacent: {SnapshotIsolation, RepeatableRead}, G2Item: {RepeatableRead},

		"G0-process": {StrongSessionReadUncommitted}, "G1c-process": {StrongSessionReadCommitted},
		"G-single-process": {StrongSessionSnapshotIsolation}, "G-nonadjacent-process": {StrongSessionSnapshotIsolation}, "G2-item-process": {StrongSessionSerializable},
		"G0-realtime": {StrongReadUncommitted}, "G1c-realtime": {StrongReadCommitted},
		"G-single-realtime": {StrongSnapshotIsolation}, "G-nonadjacent-realtime": {StrongSnapshotIsolation}, "G2-item-realtime": {StrictSerializable},

		NoSerialOrder: {Serializable}, "no-serial-order-process": {StrongSessionSerializable}, "no-serial-order-realtime": {StrictSerializable},
	}
	for _, n := range Anomalies() {
		weakest, others := boundary([]anomaly.Name{n})
		require.ElementsMatch(t, want[n], weakest, "%s", n)
		for _, m := range append(weakest, others...) {
			require.True(t, m.Forbids(n), "%s forbids %s", m, n)
		}
		require.Contains(t, append(weakest, others...), StrictSerializable, "strict serializability forbids everything")
		require.NotEmpty(t, rule(n))
	}
}

func TestModelsForbidWhatTheyInclude(t *testing.T) {
	for _, m := range Models() {
		parsed, err := ParseModel(":" + string(m))
		require.NoError(t, err)
		require.Equal(t, m, parsed)
		for _, w := range Models() {
			for _, n := range Anomalies() {
				if m.Includes(w) && w.Forbids(n) {
					require.True(t, m.Forbids(n), "%s includes %s, which forbids %s", m, w, n)
				}
			}
		}
	}
	require.True(t, StrictSerializable.Includes(ReadUncommitted))
	require.False(t, Model("of nobody").Includes(ReadUncommitted))
	require.False(t, SnapshotIsolation.Includes(RepeatableRead))
	require.False(t, SnapshotIsolation.Forbids(G2Item))
	require.False(t, Serializable.Forbids("G-single-process"))
	require.False(t, StrongSessionSerializable.Forbids("G-single-realtime"))
	m, err := ParseModel("PL-3")
	require.NoError(t, err)
	require.Equal(t, Serializable, m)
}

// TestTheDocsListEveryName: the table for users has all that can be found.
func TestTheDocsListEveryName(t *testing.T) {
	text, err := os.ReadFile("../../docs/checkers.md")
	require.NoError(t, err)
	for _, n := range append(Anomalies(), bankNames...) {
		name := strings.TrimSuffix(strings.TrimSuffix(string(n), "-process"), "-realtime")
		require.Contains(t, string(text), "`"+name+"`")
	}
}
