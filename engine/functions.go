package engine

import (
	"github.com/torntail/torntail/engine/glob"
	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/engine/script"
)

// functionCommands are the commands about libraries; those that call functions are
// in scripting.go.
var functionCommands = []entry{
	{name: "function|load", run: cmdFunctionLoad},
	{name: "function|delete", run: cmdFunctionDelete},
	{name: "function|flush", run: cmdFunctionFlush},
	{name: "function|list", run: cmdFunctionList},
	{name: "function|stats", run: cmdFunctionStats},
	{name: "function|dump", run: func(s *Server, c *Session, _ [][]byte) {
		c.bulk(rdb.FunctionPayload(s.cfg.RdbCompression, s.functionCodes()))
	}},
	{name: "function|restore", run: cmdFunctionRestore},
	{name: "function|kill", run: func(s *Server, c *Session, _ [][]byte) { s.killScript(c, false) }},
	{name: "function|help", run: help("FUNCTION",
		"LOAD [REPLACE] <FUNCTION CODE>", "    Create a new library with the given library name and code.",
		"DELETE <LIBRARY NAME>", "    Delete the given library.",
		"LIST [LIBRARYNAME PATTERN] [WITHCODE]", "    Return general information on all the libraries:",
		"    * Library name", "    * The engine used to run the Library", "    * Library description", "    * Functions list", "    * Library code (if WITHCODE is given)",
		"    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
		"STATS", "    Return information about the current function running:", "    * Function name", "    * Command used to run the function", "    * Duration in MS that the function is running",
		"    If no function is running, return nil", "    In addition, returns a list of available engines.",
		"KILL", "    Kill the current running function.",
		"FLUSH [ASYNC|SYNC]", "    Delete all the libraries.",
		"    When called without the optional mode argument, the behavior is determined by the",
		"    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
		"    * ASYNC: Asynchronously flush the libraries.", "    * SYNC: Synchronously flush the libraries.",
		"DUMP", "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
		"RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
		"    Restore the libraries represented by the given payload, it is possible to give a restore policy to", "    control how to handle existing libraries (default APPEND):",
		"    * FLUSH: delete all existing libraries.", "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
		"    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
		"      libraries with the new libraries (notice that even on this option there is a chance of failure", "      in case of functions name collision with another library).")},
}

// cmdFunctionLoad follows redis 7.0.15 functions.c functionLoadCommand.
func cmdFunctionLoad(s *Server, c *Session, argv [][]byte) {
	replace := false
	for _, a := range argv[2 : len(argv)-1] {
		if !same(a, "replace") {
			c.error("ERR " + oneLine("Unknown option given: "+string(a)))
			return
		}
		replace = true
	}
	s.scripting.loads = s.env.Now()
	name, wrong := s.scripts().Load(string(argv[len(argv)-1]), replace)
	if wrong != "" {
		c.error("ERR " + oneLine(wrong))
		return
	}
	s.propagate(c, 1, argv)
	c.bulkText(name)
}

func cmdFunctionDelete(s *Server, c *Session, argv [][]byte) {
	if !s.scripts().Delete(string(argv[2])) {
		c.error("ERR Library not found")
		return
	}
	s.propagate(c, 1, argv)
	c.ok()
}

// cmdFunctionFlush counts as a change and is logged (redis 7.0.15 functions.c
// functionFlushCommand).
func cmdFunctionFlush(s *Server, c *Session, argv [][]byte) {
	if len(argv) > 3 {
		c.error("ERR unknown subcommand or wrong number of arguments for '" + string(argv[1]) + "'. Try FUNCTION HELP.")
		return
	}
	if len(argv) == 3 && !same(argv[2], "sync") && !same(argv[2], "async") {
		c.error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
		return
	}
	s.flushFunctions()
	s.propagate(c, 1, argv)
	c.ok()
}

// cmdFunctionRestore follows redis 7.0.15 functions.c functionRestoreCommand.
func cmdFunctionRestore(s *Server, c *Session, argv [][]byte) {
	if len(argv) > 4 {
		c.error("ERR unknown subcommand or wrong number of arguments for '" + string(argv[1]) + "'. Try FUNCTION HELP.")
		return
	}
	flush, replace := false, false
	if len(argv) == 4 {
		switch {
		case same(argv[3], "append"):
		case same(argv[3], "replace"):
			replace = true
		case same(argv[3], "flush"):
			flush = true
		default:
			c.error("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
			return
		}
	}
	codes, err := rdb.OpenFunctionPayload(argv[2])
	if err != nil {
		c.error("ERR " + err.Error())
		return
	}
	s.scripting.loads = s.env.Now()
	if wrong := s.scripts().Restore(codes, flush, replace); wrong != "" {
		c.error("ERR " + oneLine(wrong))
		return
	}
	s.propagate(c, 1, argv)
	c.ok()
}

func cmdFunctionList(s *Server, c *Session, argv [][]byte) {
	var pattern []byte
	withCode := false
	for i := 2; i < len(argv); i++ {
		switch {
		case !withCode && same(argv[i], "withcode"):
			withCode = true
		case pattern == nil && same(argv[i], "libraryname"):
			if i++; i == len(argv) {
				c.error("ERR library name argument was not given")
				return
			}
			pattern = argv[i]
		default:
			c.error("ERR " + oneLine("Unknown argument "+string(argv[i])))
			return
		}
	}
	var shown []*script.Library
	for _, l := range s.scripts().List() {
		if pattern == nil || glob.Match(pattern, l.Name, true) {
			shown = append(shown, l)
		}
	}
	c.array(len(shown))
	for _, l := range shown {
		c.libraryReply(l, withCode)
	}
}

func (c *Session) libraryReply(l *script.Library, withCode bool) {
	if withCode {
		c.mapOf(4)
	} else {
		c.mapOf(3)
	}
	c.bulkText("library_name")
	c.bulkText(l.Name)
	c.bulkText("engine")
	c.bulkText("LUA")
	c.bulkText("functions")
	c.array(len(l.Functions))
	for _, f := range l.Functions {
		c.mapOf(3)
		c.bulkText("name")
		c.bulkText(f.Name)
		c.bulkText("description")
		if f.Description != nil {
			c.bulkText(*f.Description)
		} else {
			c.null()
		}
		c.bulkText("flags")
		var names []string
		for _, flag := range script.FlagNames {
			if f.Flags&flag.Flag != 0 {
				names = append(names, flag.Name)
			}
		}
		c.set(len(names))
		for _, n := range names {
			c.status(n)
		}
	}
	if withCode {
		c.bulkText("library_code")
		c.bulkText(l.Code)
	}
}

// cmdFunctionStats follows redis 7.0.15 functions.c functionStatsCommand.
func cmdFunctionStats(s *Server, c *Session, _ [][]byte) {
	r := s.scripting.run
	if r != nil && r.Eval {
		c.error(errSlowEval)
		return
	}
	c.mapOf(2)
	c.bulkText("running_script")
	if r == nil {
		c.null()
	} else {
		c.mapOf(3)
		c.bulkText("name")
		c.bulkText(r.Name)
		c.bulkText("command")
		c.array(len(r.argv))
		for _, a := range r.argv {
			c.bulk(a)
		}
		c.bulkText("duration_ms")
		c.int((s.env.Now() - r.started).Milliseconds())
	}
	c.bulkText("engines")
	c.mapOf(1)
	c.bulkText("LUA")
	c.mapOf(2)
	c.bulkText("libraries_count")
	c.int(int64(len(s.scripts().List())))
	c.bulkText("functions_count")
	c.int(int64(s.scripts().Functions()))
}
