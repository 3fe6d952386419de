package history

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what an operation does.
type Kind uint8

const (
	Read         Kind = iota + 1 // GET: Value, or Absent
	Write                        // SET: Value
	Delete                       // DEL
	Append                       // RPUSH of one element (or LPUSH: More.Head) or APPEND, by what its reply and the key tell (Length): Value; Result is the new length
	Incr                         // INCRBY: Value is the amount; Result is the reply
	CAS                          // compare-and-set: Expect -> Value; Result "1" when it was set
	ReadList                     // LRANGE 0 -1: Values
	Txn                          // MULTI/EXEC: Parts, atomically
	Expire                       // PEXPIREAT: Deadline; Result "1" when the key was there
	Pop                          // LPOP/RPOP: Result is the element, or Absent
	SetAdd                       // SADD of one member: Value
	SetRemove                    // SREM of one member: Value
	ReadSet                      // SMEMBERS: Values, sorted
	HashSet                      // HSET of one field: More.Field, Value
	HashRemove                   // HDEL of one field: More.Field
	ReadHash                     // HGETALL: Values, field and value in turn, sorted by field
	SortedAdd                    // ZADD of one member: Value, More.Score
	SortedRemove                 // ZREM of one member: Value
	ReadSorted                   // ZRANGE WITHSCORES: Values, member and score in turn, in order

	StringAppend // APPEND: Value; Result is the new length
	SetRange     // SETRANGE: Value, at More.Index; Result is the new length
	GetDelete    // GETDEL: Result is the value, or Absent
	SetBit       // SETBIT: Value "0" or "1", at More.Index; Result is the bit before
	GetBit       // GETBIT: More.Index; Value is the bit
	Push         // RPUSH of one element, or LPUSH (More.Head): Value; Result is the new length
	ListMove     // LMOVE from Key to More.To: from the head (More.Head), to the head (More.ToHead); Result is the element, or Absent
	ListRemove   // LREM: Value, More.Index as count; Result is how many went
	HashGet      // HGET: More.Field; Value, or Absent
	HashIncr     // HINCRBY: More.Field, Value is the amount; Result is the sum
	SetHas       // SISMEMBER: Value; Result "1" when it is a member
	SortedIncr   // ZINCRBY: Value is the member, More.Score the amount; Result is the new score
	SortedScore  // ZSCORE: Value is the member; Result is the score, or Absent
	SortedPop    // ZPOPMAX, or ZPOPMIN (More.Head): Values are member and score; Absent when there was none
	StreamAdd    // XADD of one field: More.Entry is the ID asked for ("" or "*": the server's choice), More.Field, Value; Result is the entry's ID
	StreamRemove // XDEL: More.Entry; Result is how many went
	ReadStream   // XRANGE - +: Values, ID, field and value in turn
	GroupCreate  // XGROUP CREATE MKSTREAM: More.Group, More.Entry is where it begins ("$" for the end)
	GroupRead    // XREADGROUP of new entries: More.Group, More.Consumer, More.Index as COUNT (0: all); Values as ReadStream
	GroupAck     // XACK: More.Group, More.Entry; Result is how many were pending
	ReadPending  // XPENDING - +: More.Group; Values, ID and consumer in turn
	Persist      // PERSIST: Result "1" when there was a deadline
	ReadExpiry   // PEXPIRETIME: More.Deadline, 0 when there is none; Absent when there is no key
)

// LastKind is the last of the kinds.
const LastKind = ReadExpiry

// kindRows are what is known of each kind.
var kindRows = [...]struct {
	word   string   // in history files
	of     string   // type of the keys that it is about (KV.Type)
	reads  bool     // it changes nothing
	fields int      // that it may have, of those that not all kinds have
	turn   []string // what its values are, in turn
}{
	Read:         {word: "read", reads: true, fields: hasValue | hasAbsent},
	Write:        {word: "write", fields: hasValue | hasAbsent | hasResult | hasDeadline | hasReplaced | hasToAbsent},
	Delete:       {word: "delete", fields: hasResult | hasEvicted | hasAbsent},
	Append:       {word: "append", fields: hasValue | hasResult | hasHead},
	Incr:         {word: "incr", fields: hasValue | hasResult},
	CAS:          {word: "cas", fields: hasValue | hasResult | hasExpect | hasExpectAbsent | hasToAbsent | hasDeadline},
	ReadList:     {word: "read-list", reads: true, fields: hasAbsent | hasValues},
	Txn:          {word: "txn", fields: hasParts},
	Expire:       {word: "expire", fields: hasResult | hasDeadline},
	Pop:          {word: "pop", fields: hasValue | hasAbsent | hasResult | hasHead},
	SetAdd:       {word: "set-add", of: "set", fields: hasValue | hasResult},
	SetRemove:    {word: "set-remove", of: "set", fields: hasValue | hasResult},
	ReadSet:      {word: "read-set", of: "set", reads: true, fields: hasAbsent | hasValues},
	HashSet:      {word: "hash-set", of: "hash", fields: hasValue | hasResult | hasField},
	HashRemove:   {word: "hash-remove", of: "hash", fields: hasResult | hasField},
	ReadHash:     {word: "read-hash", of: "hash", reads: true, fields: hasAbsent | hasValues, turn: []string{"field", "value"}},
	SortedAdd:    {word: "sorted-add", of: "zset", fields: hasValue | hasResult | hasScore},
	SortedRemove: {word: "sorted-remove", of: "zset", fields: hasValue | hasResult},
	ReadSorted:   {word: "read-sorted", of: "zset", reads: true, fields: hasAbsent | hasValues, turn: []string{"member", "score"}},
	StringAppend: {word: "string-append", fields: hasValue | hasResult},
	SetRange:     {word: "set-range", fields: hasValue | hasResult | hasIndex},
	GetDelete:    {word: "get-delete", fields: hasAbsent | hasResult},
	SetBit:       {word: "set-bit", fields: hasValue | hasResult | hasIndex},
	GetBit:       {word: "get-bit", reads: true, fields: hasValue | hasIndex},
	Push:         {word: "push", fields: hasValue | hasResult | hasHead},
	ListMove:     {word: "list-move", fields: hasAbsent | hasResult | hasHead | hasTo | hasToHead},
	ListRemove:   {word: "list-remove", fields: hasValue | hasResult | hasIndex},
	HashGet:      {word: "hash-get", of: "hash", reads: true, fields: hasValue | hasAbsent | hasField},
	HashIncr:     {word: "hash-incr", of: "hash", fields: hasValue | hasResult | hasField},
	SetHas:       {word: "set-has", of: "set", reads: true, fields: hasValue | hasResult},
	SortedIncr:   {word: "sorted-incr", of: "zset", fields: hasValue | hasResult | hasScore},
	SortedScore:  {word: "sorted-score", of: "zset", reads: true, fields: hasValue | hasAbsent | hasResult},
	SortedPop:    {word: "sorted-pop", of: "zset", fields: hasAbsent | hasValues | hasHead, turn: []string{"member", "score"}},
	StreamAdd:    {word: "stream-add", of: "stream", fields: hasValue | hasResult | hasField | hasEntry},
	StreamRemove: {word: "stream-remove", of: "stream", fields: hasResult | hasEntry},
	ReadStream:   {word: "read-stream", of: "stream", reads: true, fields: hasAbsent | hasValues, turn: []string{"ID", "field", "value"}},
	GroupCreate:  {word: "group-create", of: "stream", fields: hasResult | hasGroup | hasEntry},
	GroupRead:    {word: "group-read", of: "stream", fields: hasAbsent | hasValues | hasIndex | hasGroup | hasConsumer, turn: []string{"ID", "field", "value"}},
	GroupAck:     {word: "group-ack", of: "stream", fields: hasResult | hasEntry | hasGroup},
	ReadPending:  {word: "read-pending", of: "stream", reads: true, fields: hasAbsent | hasValues | hasGroup, turn: []string{"ID", "consumer"}},
	Persist:      {word: "persist", fields: hasResult},
	ReadExpiry:   {word: "read-expiry", reads: true, fields: hasAbsent | hasDeadline},
}

// String is the kind's name in history files.
func (k Kind) String() string {
	if int(k) < len(kindRows) && kindRows[k].word != "" {
		return kindRows[k].word
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Type is the type of the keys that a kind is about; "" of strings and lists, and where
// that depends.
func (k Kind) Type() string {
	if int(k) < len(kindRows) {
		return kindRows[k].of
	}
	return ""
}

// kinds are the kinds by their names, and kindWords the names; types are those of keys.
var kinds, kindWords, types = func() (m map[string]Kind, words, types []string) {
	m = map[string]Kind{}
	for k := range kindRows {
		if row := &kindRows[k]; row.word != "" {
			m[row.word] = Kind(k)
			words = append(words, row.word)
			if row.of != "" && !slices.Contains(types, row.of) {
				types = append(types, row.of)
			}
		}
	}
	return m, words, types
}()

func kindOf(word []byte) (Kind, error) {
	if k, ok := kinds[string(word)]; ok {
		return k, nil
	}
	return 0, fmt.Errorf("operation %q: want one of %s", word, strings.Join(kindWords, ", "))
}
