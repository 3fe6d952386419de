package engine

// cmdLolwut tells the version. The pictures of versions 5 and 6 are not painted.
func cmdLolwut(_ *Server, c *Session, argv [][]byte) {
	if len(argv) >= 3 && same(argv[1], "version") {
		version, ok := c.intArg(argv[2])
		if !ok {
			return
		}
		if v := uint32(version); v == 5 || v == 6 {
			c.error("ERR LOLWUT VERSION " + string(argv[2]) + " is not carried out by this server")
			return
		}
	}
	c.verbatim("Redis ver. " + RedisVersion + "\n")
}
