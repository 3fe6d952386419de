package seeding

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The first outputs of splitmix64 with the seed 1234567, as Vigna's splitmix64.c
// gives them: saved failures depend on these streams.
func TestTheStreamsStayWhatTheyAre(t *testing.T) {
	g := SplitMix(1234567)
	for _, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		require.Equal(t, want, g.Next())
	}
	require.Equal(t, uint64(0x71c18690ee42c90b), Derive(1, 3))
	require.Equal(t, uint64(0x4227a7a2cf36bb31), Derive(1, 3, 9))
	require.Equal(t, uint64(0x910a2dec89025cc1), Hash(1))
	require.Equal(t, uint64(0x6ae515c1c0ac7e37), Hash(1, 2, 3))
	require.Equal(t, uint64(7), Derive(7))
}
