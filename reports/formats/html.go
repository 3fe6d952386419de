package formats

import "github.com/torntail/torntail/reports/html"

func init() { register(Format{File: "report.html", Write: html.Write}) }
