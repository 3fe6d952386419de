package engine

// functionCommands are what is there of functions: no library can be loaded, so
// that none is ever there to be flushed.
var functionCommands = []entry{
	{name: "function|flush", run: cmdFunctionFlush},
}

// cmdFunctionFlush counts as a change and is logged (redis 7.0.15 functions.c
// functionFlushCommand).
func cmdFunctionFlush(s *Server, c *Session, argv [][]byte) {
	if len(argv) > 3 || len(argv) == 3 && !same(argv[2], "sync") && !same(argv[2], "async") {
		c.error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
		return
	}
	s.propagate(c, 1, argv)
	c.ok()
}
