package config

import "github.com/torntail/torntail/engine/words"

// ErrUnbalanced is words.ErrUnbalanced.
var ErrUnbalanced = words.ErrUnbalanced

// SplitArgs splits a line of redis.conf into arguments.
func SplitArgs(line string) ([]string, error) { return words.Split(line) }
