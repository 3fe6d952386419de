package engine

// class is a kind of client that CLIENT LIST, CLIENT KILL and limits tell apart
// (redis 7.0.15 CLIENT_TYPE_*).
type class uint8

const (
	normalClient class = iota
	replicaClient
	pubsubClient
	masterClient // the connection to a replica's master
)

// classByName knows the names of CLIENT KILL TYPE, in lower case.
func classByName(name string) (class, bool) {
	switch name {
	case "normal":
		return normalClient, true
	case "slave", "replica":
		return replicaClient, true
	case "pubsub":
		return pubsubClient, true
	case "master":
		return masterClient, true
	}
	return 0, false
}

// class is what kind of client the session is.
func (c *Session) class() class {
	if c.master {
		return masterClient
	}
	if c.isReplica() {
		return replicaClient
	}
	if c.subscribed() > 0 {
		return pubsubClient
	}
	return normalClient
}
