package result

// Finding is a known property of a product that an honest run shows again and
// again. It is reported once, under its name, and is no violation by itself.
type Finding struct {
	Name  string
	Title string // what happens, in one line
	Text  string // why, and what to do about it
}

// findings is the catalogue, in the order in which reports show them.
var findings = []Finding{
	{
		Name:  "F1",
		Title: "a power cut can take the whole AOF directory",
		Text: "The server fsyncs appendonlydir but not the directory that holds it, until the first save does. " +
			"On a file system that does not persist a new name with a file's own sync (POSIX demands no more), the first " +
			"power cuts can leave no appendonlydir at all, and the server starts empty. Sync the data directory once after the first start. Where a rename itself can be torn, dump.rdb can vanish in the same way while a snapshot replaces it.",
	},
	{
		Name:  "F2",
		Title: "a power cut can leave NUL bytes at the end of the AOF, and the server then refuses to start",
		Text: "On ext4 the size of an append can become durable before its data, so the tail of the incr file reads zeroes. " +
			"aof-load-truncated does not cover that: the server says \"Bad file format\" until redis-check-aof --fix has cut the tail off. " +
			"Nothing acknowledged under appendfsync always is in that tail.",
	},
	{
		Name:  "F3",
		Title: "a power cut early in an AOF rewrite can damage the log before its end",
		Text: "When a rewrite begins, new writes go to a new incr file, and the old one is synced and closed in the background. " +
			"Until that sync has returned, a power cut can take the end of the old file and leave later writes in the new one: " +
			"the server refuses to start, because only the last file may be cut short, or it starts with a hole in what it loads.",
	},
	{
		Name:  "F4",
		Title: "a power cut can put NUL bytes into a value, and the server loads it without a word",
		Text: "Where the size of an append is durable before its data, zeroes (on a file system that promises less, what the disk held before) can stand in the middle of a value and not only at the end of the file. " +
			"The AOF has no checksum, so that a value of the right length is loaded as it stands, and a command that no longer makes sense is skipped without a word. The RDB format has one.",
	},
	{
		Name:  "F5",
		Title: "a power cut right after the manifest is renamed can leave one that names a file that is not there",
		Text: "A rewrite makes a new incr file, and later a new base, and then renames the manifest that names it; one fsync of the directory follows for both names. " +
			"Where names become durable in any order (POSIX demands no more, and btrfs promises no more), a power cut before that fsync has returned can keep the " +
			"manifest's name and lose the other: the server refuses to start (\"Unable to obtain the AOF file ... length\"). Nothing is lost: the old files are there, " +
			"and the line can be taken out of the manifest by hand.",
	},
	{
		Name:  "postponed-write",
		Title: "everysec can lose acknowledged writes to a plain process kill",
		Text: "While an fsync is in flight in the background, the server holds the write itself back, for up to 2 s, and answers all the same. " +
			"A kill in that time loses what only its memory had.",
	},
}

// KnownFindings is the catalogue, for whoever makes a report.
func KnownFindings() []Finding { return findings }

// LookupFinding returns the catalogue's entry; one that only has its name when there is none.
func LookupFinding(name string) Finding {
	for _, f := range findings {
		if f.Name == name {
			return f
		}
	}
	return Finding{Name: name}
}

// FindingNames lists the catalogue's names in its order.
func FindingNames() []string {
	names := make([]string, len(findings))
	for i, f := range findings {
		names[i] = f.Name
	}
	return names
}
