package sample

import "testing"

func TestAbs(t *testing.T) {
	for n, want := range map[int]int{-3: 3, 0: 0, 3: 3} {
		if got := Abs(n); got != want {
			t.Errorf("Abs(%d) is %d, want %d", n, got, want)
		}
	}
}

func TestTotal(t *testing.T) {
	if got := Total([]int{1, 0, 2, -1, -2, 7}); got != 2 {
		t.Errorf("it is %d, want 2", got)
	}
}

func TestKibi(t *testing.T) {
	if got := Kibi(512); got != 0.5 {
		t.Errorf("it is %v, want 0.5", got)
	}
}
