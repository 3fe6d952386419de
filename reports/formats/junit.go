package formats

import "github.com/torntail/torntail/reports/junit"

// CI servers look for files of that name. A test case has a verdict.
func init() { register(Format{File: "junit.xml", Write: junit.Write, JudgedOnly: true}) }
