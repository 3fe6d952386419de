package digest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEach(t *testing.T) {
	var b strings.Builder
	Each(&b, 3, 15, func(b *strings.Builder, n int) { fmt.Fprint(b, n%2 == 0) })
	const no, yes = "0b069958", "4db211e5"
	require.Equal(t, "3: "+strings.Repeat(no+" "+yes+" ", 4)+no+" "+yes+"\n13: "+no+" "+yes+"\n", b.String())
}
