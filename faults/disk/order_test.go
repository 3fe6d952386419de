package disk

import "testing"

// TestEffectsOutOfOrder: calls may take effect in another order than that of
// their IDs, when one waits between Begin and its effect. Choices name the same
// calls all the same.
func TestEffectsOutOfOrder(t *testing.T) {
	d := New(Options{})
	var calls [4]Call
	for i := range calls {
		calls[i] = Call{Kind: OpCreate}
		d.Begin(&calls[i])
	}
	for _, i := range []int{2, 0, 3, 1} {
		if _, e := d.Create(&calls[i], Root, string(rune('a'+i))); e != 0 {
			t.Fatal(e)
		}
		d.End(&calls[i])
	}
	// On ext4 names survive in the order of effects: c, a, d, b.
	for _, tt := range []struct{ choice, want string }{
		{"prefix 2", "a= c="}, {"keep 1", "a= c="}, {"keep 4", "a= c= d="}, {"drop 4", "a= c="}, {"keep 3", "c="}, {"keep 2-4", "a= b= c= d="},
	} {
		c, err := ParseChoice(tt.choice)
		if err != nil {
			t.Fatal(err)
		}
		image := &Disk{}
		cut := d.Image(image, c)
		if got := render(t, image); got != tt.want {
			t.Errorf("%s leaves %s, want %s", tt.choice, got, tt.want)
		}
		wantLeft(t, d, cut.Choice.String(), tt.want)
	}
}

// TestProgressInOrder: on an ideal disk a sync in flight has written whole calls, from the first on.
func TestProgressInOrder(t *testing.T) {
	for _, tt := range []struct {
		share float64
		want  string
	}{{0, "-"}, {0.3, "f="}, {0.99, "f=AA"}, {1, "f=AABB"}} {
		d := New(Options{Personality: named(t, "prefix")})
		for _, s := range []string{"create f", "write f AA", "write f BB"} { // 1, 2 and 2 micro-operations
			runStep(t, d, s)
		}
		ino, _ := d.Find("f")
		c := Call{Kind: OpFsync, Ino: ino}
		d.Begin(&c)
		id := d.BeginSync(&c)
		d.SyncProgress(id, tt.share)
		wantLeft(t, d, "none", tt.want)
		if e := d.EndSync(id, 0, nil); e != 0 {
			t.Fatal(e)
		}
		wantLeft(t, d, "none", "f=AABB")
	}
}
