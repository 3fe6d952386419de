package transactions

// Model is the name of a consistency model, as Jepsen's documents write it.
type Model string

// The models that Options.Expect takes, strongest first where they are ordered.
const (
	StrictSerializable             Model = "strict-serializable"
	StrongSessionSerializable      Model = "strong-session-serializable"
	Serializable                   Model = "serializable"
	StrongSnapshotIsolation        Model = "strong-snapshot-isolation"
	StrongSessionSnapshotIsolation Model = "strong-session-snapshot-isolation"
	SnapshotIsolation              Model = "snapshot-isolation"
	RepeatableRead                 Model = "repeatable-read"
	ReadCommitted                  Model = "read-committed"
	ReadUncommitted                Model = "read-uncommitted"
)
