package result

// Finding is a known property of a product that an honest run shows again and
// again. It is reported once, under its name, and is no violation by itself.
type Finding struct {
	Name  string
	Title string // what happens, in one line
	Text  string // why, and what to do about it
	// Apart: runs that it explains whole are counted under it alone, and are in no
	// figure of losses.
	Apart bool
}
