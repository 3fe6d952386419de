package engine

// moduleCommands are what is there of modules: none can be loaded.
var moduleCommands = []entry{
	{name: "module|list", run: func(_ *Server, c *Session, _ [][]byte) { c.array(0) }},
	{name: "module|load", run: moduleRefuse},
	{name: "module|loadex", run: moduleRefuse},
	{name: "module|unload", run: moduleRefuse},
	{name: "module|help", run: help("MODULE",
		"LIST", "    Return a list of loaded modules.")},
}

// moduleRefuse refuses as redis-server does unless enable-module-command says
// otherwise, and by name where it does.
func moduleRefuse(s *Server, c *Session, argv [][]byte) {
	if enabled, _ := s.cfg.Value("enable-module-command"); !s.allowed(enabled) {
		c.error("ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a local connection, " +
			"otherwise you need to set this option in the configuration file, and then restart the server.")
		return
	}
	c.error("ERR MODULE " + string(argv[1]) + " is not carried out by this server")
}
