// Package words splits lines into arguments as redis-server does: those of redis.conf,
// of files of users, of inline commands and of what scripts declare.
package words

import "errors"

// ErrUnbalanced means that a quoted argument has no end, or that something
// other than white space follows its end.
var ErrUnbalanced = errors.New("unbalanced quotes")

// Split splits a line into arguments by the rules of redis.conf, inline
// commands and redis-cli: words, 'single' quotes in which \' is the only
// escape, and "double" quotes with \n \r \t \b \a \xHH and \c for any other c
// (redis 7.0.15 sds.c sdssplitargs).
func Split(line string) ([]string, error) {
	var out []string
	i := 0
	for {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return out, nil
		}
		var arg []byte
		var err error
		if arg, i, err = splitOne(line, i); err != nil {
			return nil, err
		}
		out = append(out, string(arg))
	}
}

func splitOne(line string, i int) (arg []byte, next int, err error) {
	for i < len(line) && !isSpace(line[i]) {
		switch c := line[i]; c {
		case '"', '\'':
			if arg, i, err = quoted(line, i+1, c, arg); err != nil {
				return nil, 0, err
			}
			// A closing quote must be followed by white space or the end.
			if i < len(line) && !isSpace(line[i]) {
				return nil, 0, ErrUnbalanced
			}
			return arg, i, nil
		case 0:
			return arg, len(line), nil // as in C: the line ends here
		default:
			arg = append(arg, c)
			i++
		}
	}
	return arg, i, nil
}

// quoted reads up to the closing quote and returns the position after it.
func quoted(line string, i int, quote byte, arg []byte) ([]byte, int, error) {
	for i < len(line) {
		c := line[i]
		switch {
		case c == quote:
			return arg, i + 1, nil
		case c == '\\' && quote == '\'' && i+1 < len(line) && line[i+1] == '\'':
			arg = append(arg, '\'')
			i += 2
		case c == '\\' && quote == '"' && i+3 < len(line) && line[i+1] == 'x' && isHex(line[i+2]) && isHex(line[i+3]):
			arg = append(arg, hexValue(line[i+2])<<4|hexValue(line[i+3]))
			i += 4
		case c == '\\' && quote == '"' && i+1 < len(line):
			arg = append(arg, unescape(line[i+1]))
			i += 2
		default:
			arg = append(arg, c)
			i++
		}
	}
	return nil, 0, ErrUnbalanced
}

func unescape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'a':
		return '\a'
	}
	return c
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
