package acl

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/words"
)

// set makes a user of rules, or says why not.
func set(t testing.TB, us *Users, name, rules string) string {
	argv, err := words.Split(rules)
	require.NoError(t, err, rules)
	if _, _, err := us.Set(name, argv, false); err != nil {
		return err.Error()
	}
	return us.Find(name).Describe()
}

func TestDescribed(t *testing.T) {
	for _, c := range [][2]string{
		{"", "off resetchannels -@all"},
		{"on nopass ~* &* +@all", "on nopass ~* &* +@all"},
		{"~a %R~b %W~c %RW~d &x", "off ~a %R~b %W~c ~d resetchannels &x -@all"},
		{"%R~a %W~a", "off ~a resetchannels -@all"},
		{"+get +config|get +select|0", "off resetchannels -@all +config|get +get +select|0"},
		{"+select|0 +select", "off resetchannels -@all +select"},
		{"+@all -config|set", "off resetchannels +@all -config|set"},
		{"+@all -@write", "off resetchannels +@all -@write"},
		{"(~a +get) ( &b )", "off resetchannels -@all (~a resetchannels -@all +get) (resetchannels &b -@all)"},
		{"on (~a) reset", "off sanitize-payload resetchannels -@all"},
		{"+nosuch", "Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL"},
		{"~a ~* ~b", "Error in ACL SETUSER modifier '~b': " + string(errAllKeys)},
		{"%~a", "Error in ACL SETUSER modifier '%~a': Syntax error"}, // redis-server takes it, and dies of describing it
		{"on (~a", "Unmatched parenthesis in acl selector starting at '(~a'."},
	} {
		assert.Equal(t, c[1], set(t, New(), "u", c[0]), c[0])
	}
}

// Rules are all taken or none, and whoever holds a pointer to a user has the new ones.
func TestAllOrNothing(t *testing.T) {
	us := New()
	set(t, us, "u", "on >pw ~a +get")
	u := us.Find("u")
	before := u.Describe()
	assert.Contains(t, set(t, us, "u", "~b +set nosuch"), "Syntax error")
	assert.Equal(t, before, u.Describe())
	set(t, us, "u", "~b")
	assert.Contains(t, u.Describe(), "~a ~b")
	assert.True(t, u.Passes([]byte("pw")))
	assert.False(t, u.Passes([]byte("pv")))

	_, err := us.Load("f", []byte("user u off\nuser v nosuch\n"), false)
	assert.EqualError(t, err, "f:2: Syntax error. WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
	assert.Same(t, u, us.Find("u"))
	def := us.Default
	removed, err := us.Load("f", []byte("user v on\n"), false)
	require.NoError(t, err)
	assert.Equal(t, []*User{u}, removed)
	assert.Same(t, def, us.Find("default"))
	assert.Equal(t, []string{"user default on nopass ~* &* +@all", "user v on resetchannels -@all"}, us.Lines())
}

// One selector must allow all of a command; what is told is the last that none allows.
func TestChecked(t *testing.T) {
	us := New()
	set(t, us, "u", "~a %R~r &c +mget +set +publish (~s +set) (%W~w +set)")
	u := us.Find("u")
	for _, c := range []struct {
		line string
		keys []Key
		why  Reason
		at   int
	}{
		{"mget a r", []Key{{1, true, false}, {2, true, false}}, Allowed, 0},
		{"mget a x", []Key{{1, true, false}, {2, true, false}}, DeniedKey, 2},
		{"set r v", []Key{{1, false, true}}, DeniedKey, 1},
		{"set s v", []Key{{1, true, true}}, Allowed, 0},
		{"set w v", []Key{{1, false, true}}, Allowed, 0},
		{"set w v", []Key{{1, true, true}}, DeniedKey, 1},
		{"mget s", []Key{{1, true, false}}, DeniedKey, 1},
		{"del a", nil, DeniedCommand, 0},
		{"publish c m", nil, Allowed, 0},
		{"publish d m", nil, DeniedChannel, 1},
	} {
		var argv [][]byte
		for _, w := range strings.Fields(c.line) {
			argv = append(argv, []byte(w))
		}
		why, at := u.Check(&Request{ID: ID(string(argv[0])), Argv: argv, Keys: func() []Key { return c.keys }})
		assert.Equal(t, c.why, why, c.line)
		assert.Equal(t, c.at, at, c.line)
	}
	assert.Equal(t, -1, ID("nosuch"))
}

// FuzzRules: whatever is taken can be told, what is told can be taken, and means the same.
func FuzzRules(f *testing.F) {
	for _, rules := range []string{"on >pw ~a* %R~b &c +get -set +@read +config|get +select|0", "(~a +get) ( +@all -@write ) clearselectors", "reset nopass allkeys allchannels allcommands", "+@all -config +config|get", "%~x", "(", "\"\\x00\" )", "#x !x <x"} {
		f.Add(rules, "get", "a1")
	}
	f.Fuzz(func(t *testing.T, rules, command, arg string) {
		us := New()
		if _, _, err := us.Set("u", strings.Split(rules, " "), len(rules)%2 == 0); err != nil {
			if us.Find("u") != nil {
				t.Fatal("refused, and made nevertheless")
			}
			return
		}
		u := us.Find("u")
		told := u.Describe()
		again := New()
		if _, _, err := again.Set("u", strings.Split(told, " "), false); err != nil {
			// A pattern may look like the end or the beginning of a selector.
			if strings.ContainsAny(rules, "()\"'\\") {
				return
			}
			t.Fatalf("%q is told as %q: %v", rules, told, err)
		}
		if got := again.Find("u").Describe(); got != told && !strings.ContainsAny(rules, "()\"'\\|") {
			t.Fatalf("%q is told as %q, then %q", rules, told, got)
		}
		r := &Request{ID: ID(command), Argv: [][]byte{[]byte(command), []byte(arg)}, Keys: func() []Key { return []Key{{1, true, true}} }}
		why, at := u.Check(r)
		if why == Allowed && at != 0 {
			t.Fatal("allowed, and something is to blame")
		}
		u.ReadsAll(r)
	})
}
