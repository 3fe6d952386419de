// Package jsonform writes and reads versioned JSON: files whose "schema" says by which
// version of a form they were written.
package jsonform

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// SchemaError says that a file is of a schema that is not read.
type SchemaError struct {
	Found  int // 0: the file names none
	Newest int // that is read
}

func (e *SchemaError) Error() string {
	switch {
	case e.Found == 0:
		return `not a torntail report: it has no "schema"`
	case e.Found > e.Newest:
		return fmt.Sprintf("schema %d is newer than the newest this torntail reads (%d): use the torntail that wrote it, or a newer one", e.Found, e.Newest)
	}
	return fmt.Sprintf("schema %d is unknown: this torntail reads 1 to %d", e.Found, e.Newest)
}

// Write writes a form for people to read, too, each level indented by so much.
func Write(w io.Writer, form any, indent string) error {
	e := json.NewEncoder(w)
	e.SetIndent("", indent)
	return e.Encode(form)
}

// Parse reads data of a schema from 1 to newest. Fields that are not known are
// passed over: within a schema, fields are only added. Errors name the line.
func Parse(data []byte, newest int, into any) error {
	var head struct {
		Schema *int `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return located(data, err)
	}
	switch {
	case head.Schema == nil:
		return &SchemaError{Newest: newest}
	case *head.Schema < 1 || *head.Schema > newest:
		return &SchemaError{Found: *head.Schema, Newest: newest}
	}
	return located(data, json.Unmarshal(data, into))
}

// located turns the byte offset of a JSON error into line and column.
func located(data []byte, err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	var offset int64
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
		err = fmt.Errorf("a JSON %s does not belong here", kind.Value)
		if kind.Field != "" {
			err = fmt.Errorf("%s: %w", kind.Field, err)
		}
	default:
		return err
	}
	before := data[:min(int(offset), len(data))]
	line := 1 + bytes.Count(before, []byte("\n"))
	col := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Errorf("line %d, column %d: %w", line, max(col, 1), err)
}
