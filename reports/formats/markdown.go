package formats

import "github.com/torntail/torntail/reports/markdown"

func init() { register(Format{File: "report.md", Write: markdown.Write}) }
