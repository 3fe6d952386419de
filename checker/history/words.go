package history

import (
	"fmt"
	"strings"
)

// kindWords are the names of the kinds in history files.
var kindWords = [...]string{
	Read: "read", Write: "write", Delete: "delete", Append: "append", Incr: "incr", CAS: "cas", ReadList: "read-list",
	Txn: "txn", Expire: "expire", Pop: "pop", SetAdd: "set-add", SetRemove: "set-remove", ReadSet: "read-set",
	HashSet: "hash-set", HashRemove: "hash-remove", ReadHash: "read-hash",
	SortedAdd: "sorted-add", SortedRemove: "sorted-remove", ReadSorted: "read-sorted",
	StringAppend: "string-append", SetRange: "set-range", GetDelete: "get-delete", SetBit: "set-bit", GetBit: "get-bit",
	Push: "push", ListMove: "list-move", ListRemove: "list-remove", HashGet: "hash-get", HashIncr: "hash-incr", SetHas: "set-has",
	SortedIncr: "sorted-incr", SortedScore: "sorted-score", SortedPop: "sorted-pop",
	StreamAdd: "stream-add", StreamRemove: "stream-remove", ReadStream: "read-stream",
	GroupCreate: "group-create", GroupRead: "group-read", GroupAck: "group-ack", ReadPending: "read-pending",
	Persist: "persist", ReadExpiry: "read-expiry",
}

// String is the kind's name in history files.
func (k Kind) String() string {
	if int(k) < len(kindWords) && kindWords[k] != "" {
		return kindWords[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// kinds are the kinds by their names.
var kinds = func() map[string]Kind {
	m := map[string]Kind{}
	for k, w := range kindWords {
		if w != "" {
			m[w] = Kind(k)
		}
	}
	return m
}()

func kindOf(word []byte) (Kind, error) {
	if k, ok := kinds[string(word)]; ok {
		return k, nil
	}
	return 0, fmt.Errorf("operation %q: want one of %s", word, strings.Join(kindWords[1:], ", "))
}

var outcomeWords = [...]string{Unknown: "unknown", OK: "ok", Failed: "failed"}

// String is the outcome's name in history files.
func (o Outcome) String() string {
	if int(o) < len(outcomeWords) {
		return outcomeWords[o]
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

func outcomeOf(word []byte) (Outcome, error) {
	for o, w := range outcomeWords {
		if w == string(word) {
			return Outcome(o), nil
		}
	}
	return 0, fmt.Errorf("outcome %q: want ok, failed or unknown", word)
}

var eventKinds = []EventKind{ProcessKill, PowerCut, Terminated, Exited, Restarted, Ready, Refused, Repaired, FaultStruck, ConfigChange,
	Promoted, RoleSeen, CutOff, Healed, DownSeen}

func eventOf(word []byte) (EventKind, error) {
	for _, k := range eventKinds {
		if string(k) == string(word) {
			return k, nil
		}
	}
	return "", fmt.Errorf("event %q is not known", word)
}
