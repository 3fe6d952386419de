package history

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNeutralForm(t *testing.T) {
	n, err := ParseNeutral([]byte(`{"model":"cas-register","initial":0,"source":"somewhere","ops":[
		{"process":0,"op":"read","key":"a","value":0,"invoke":1,"return":2,"status":"ok"},
		{"process":0,"op":"read","key":"a","any":true,"invoke":3,"return":4,"status":"ok"},
		{"process":1,"op":"write","key":"b","value":null,"invoke":5,"return":6,"status":"ok"},
		{"process":1,"op":"read","key":"b","value":null,"invoke":7,"return":8,"status":"ok"},
		{"process":2,"op":"cas","key":"c","value":[null,"null"],"result":true,"invoke":9,"return":10,"status":"ok"}],
		"verdict":"linearizable"}`))
	require.NoError(t, err)
	require.Equal(t, Unknown, n.Ops[1].Outcome, "a read of which nothing is known")
	require.Equal(t, "null", n.Ops[2].Value, "null is a value where it is written")
	require.Equal(t, "null", n.Ops[3].Value)
	require.Equal(t, "null", n.Ops[4].More.Expect)
	require.Equal(t, `"null"`, n.Ops[4].Value, "the string is not null")
	require.Equal(t, []KV{{Key: "a", Value: "0"}, {Key: "b", Value: "0"}, {Key: "c", Value: "0"}}, n.States[0].Keys)

	n, err = ParseNeutral([]byte(`{"initial":{"a":1,"b":null},"ops":[{"op":"del","key":"a","invoke":1,"status":"unknown"}]}`))
	require.NoError(t, err)
	require.Equal(t, []KV{{Key: "a", Value: "1"}}, n.States[0].Keys)
}

func TestNeutralErrors(t *testing.T) {
	op := func(fields string) string { return `{"ops":[{"process":0,"key":"k",` + fields + `}]}` }
	for _, tc := range []struct{ name, text, want string }{
		{"an unknown field", `{"ops":[],"initail":0}`, `unknown field "initail"`},
		{"an unknown field of an operation", op(`"op":"read","invoke":1,"return":2,"status":"ok","expected":1`), `operation 0: json: unknown field "expected"`},
		{"an unknown field of a transaction", op(`"op":"txn","invoke":1,"return":2,"status":"ok","value":{"reads_after":[]}`), `unknown field "reads_after"`},
		{"no time", op(`"op":"read","status":"ok","return":1`), `operation 0: want "invoke"`},
		{"a status", op(`"op":"read","invoke":1,"status":"maybe"`), `status "maybe": want ok, unknown or fail`},
		{"backwards", op(`"op":"read","invoke":3,"return":2,"status":"ok"`), "returned at 2, before it was invoked at 3"},
		{"any of a write", op(`"op":"write","any":true,"invoke":1,"return":2,"status":"ok"`), "any belongs to a read"},
		{"a cas of one value", op(`"op":"cas","value":[1],"invoke":1,"return":2,"status":"ok"`), "want [old, new]"},
		{"a cas that does not say whether", op(`"op":"cas","value":[1,2],"invoke":1,"return":2,"status":"ok"`), `want "result"`},
		{"a list", op(`"op":"write","value":[1],"invoke":1,"return":2,"status":"ok"`), "want a string, a number or null"},
		{"overlap within a process", `{"ops":[{"process":3,"op":"del","key":"k","invoke":1,"return":5,"status":"ok"},{"process":3,"op":"del","key":"k","invoke":4,"return":6,"status":"ok"}]}`,
			"operations 0 and 1 of process 3 overlap: one returned at 5, the other was invoked at 4"},
		{"cut off", `{"ops":[{"process":3`, "offset"},
		{"not an object", `[1]`, "want an object"},
		{"something behind", `{"ops":[]} x`, "something follows"},
		{"nothing", ``, "the file is empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParseNeutral([]byte(tc.text))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestSeveralNeutralHistoriesInOneFile(t *testing.T) {
	one := `{"verdict":"linearizable","ops":[{"process":0,"op":"write","key":"k","value":1,"invoke":1,"return":2,"status":"ok"}]}` + "\n"
	files, format, err := DecodeAny(strings.NewReader(one+one), Options{})
	require.NoError(t, err)
	require.Equal(t, JSON, format)
	require.Len(t, files, 2)
	require.Equal(t, "2", files[1].Part)
	require.Equal(t, "linearizable", files[1].Says)
	files, _, err = DecodeAny(strings.NewReader(one), Options{})
	require.NoError(t, err)
	require.Empty(t, files[0].Part)
	_, _, err = DecodeAny(strings.NewReader(one+"{"), Options{})
	require.ErrorContains(t, err, "history 2: ")
}
