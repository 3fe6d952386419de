package machine

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ofMemory are the system calls that wait for nothing but the caller's own memory. A page
// fault is none: the file says -1 then. (proc(5))
var ofMemory = []int{syscall.SYS_CLONE, clone3, syscall.SYS_MMAP, syscall.SYS_MUNMAP, syscall.SYS_MREMAP, syscall.SYS_MPROTECT, syscall.SYS_MADVISE, syscall.SYS_BRK, -1}

// clone3 has this number on every architecture.
const clone3 = 435

// hangs reports whether a thread, by its directory in /proc, hangs in the kernel for memory:
// its state is D, and what it does there is of that kind.
func hangs(dir string) bool {
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil || stateOf(string(stat)) != "D" {
		return false
	}
	text, err := os.ReadFile(dir + "/syscall")
	if err != nil {
		return false
	}
	number, _, _ := strings.Cut(string(text), " ")
	n, err := strconv.Atoi(number)
	return err == nil && slices.Contains(ofMemory, n)
}

// stateOf is the state in the text of a stat file: what follows the name, which is in
// brackets and may have any character.
func stateOf(stat string) string {
	_, after, _ := strings.Cut(stat[strings.LastIndexByte(stat, ')')+1:], " ")
	state, _, _ := strings.Cut(after, " ")
	return state
}
