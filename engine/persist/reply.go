package persist

// ReplyError is a failure in the words in which redis-server tells a client of
// it, without the leading "ERR ".
type ReplyError struct{ Text string }

func (e *ReplyError) Error() string { return e.Text }

// What commands fail with.
var (
	// ErrSaveInProgress: SAVE and BGSAVE while a snapshot is being written.
	ErrSaveInProgress = &ReplyError{"Background save already in progress"}
	// ErrFailed: BGSAVE, when no child could be forked.
	ErrFailed = &ReplyError{""}
	// ErrRewriteInProgress: BGREWRITEAOF while a rewrite runs.
	ErrRewriteInProgress = &ReplyError{"Background append only file rewriting already in progress"}
	// ErrOtherChild: BGSAVE while a rewrite runs.
	ErrOtherChild = &ReplyError{"Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible."}
	// ErrRewrite: a rewrite could not be started.
	ErrRewrite = &ReplyError{"Can't execute an AOF background rewriting. Please check the server logs for more information."}
	// ErrEnableAOF: CONFIG SET appendonly yes, when the first rewrite could not be started.
	ErrEnableAOF = &ReplyError{"Unable to turn on AOF. Check server logs."}
	// ErrShutdown: SHUTDOWN, when the data could not be saved.
	ErrShutdown = &ReplyError{"Errors trying to SHUTDOWN. Check logs."}
	// ErrReload: DEBUG RELOAD, when there is no snapshot, or a library of functions in
	// it that cannot be loaded.
	ErrReload = &ReplyError{"Error trying to load the RDB dump"}
)
