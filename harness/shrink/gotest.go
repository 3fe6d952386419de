package shrink

import (
	"bytes"
	"fmt"
	"go/format"
	"strings"
	"text/template"
	"unicode"

	"github.com/torntail/torntail/harness/experiment"
)

// GoTest is a Go test that runs the experiment again. It fails, with the story,
// for as long as the anomaly, or the finding, of that name is shown, and passes
// once it is gone. pkg is the package that it is to belong to.
func GoTest(x *experiment.Experiment, want, pkg string) ([]byte, error) {
	var directives strings.Builder
	for _, d := range x.Mode.Directives {
		fmt.Fprintf(&directives, "\t\t{Name: %q, Value: %q},\n", d.Name, d.Value)
	}
	own := ""
	if x.Contract != nil {
		own = string(x.Contract.Text)
	}
	var b bytes.Buffer
	err := goTest.Execute(&b, map[string]any{
		"Package": pkg, "Name": testName(x, want), "Want": want, "Mode": x.Mode.Name, "Crash": x.Crash.Name,
		"Directives": directives.String(), "Span": int64(x.Mode.Span), "SpanText": x.Mode.Span.String(), "Plan": x.Plan.String(),
		"Workload": fmt.Sprintf("%#v", x.Workload), "Personality": x.Personality, "Profile": x.Profile,
		"Seed": x.Seed, "Plants": x.Plants.String(), "Contract": own,
	})
	if err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}

// testName is TestLostWriteUnderAlwaysAfterPower.
func testName(x *experiment.Experiment, want string) string {
	camel := func(s string) string {
		var b strings.Builder
		up := true
		for _, r := range s {
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				up = true
				continue
			}
			if up {
				r = unicode.ToUpper(r)
			}
			b.WriteRune(r)
			up = false
		}
		return b.String()
	}
	return "Test" + camel(want) + "Under" + camel(x.Mode.Name) + "After" + camel(x.Crash.Name)
}

// goLiteral is a text as a raw string where that reads better.
func goLiteral(s string) string {
	if strings.ContainsAny(s, "`\r") || !strings.Contains(s, "\n") {
		return fmt.Sprintf("%q", s)
	}
	return "`" + s + "`"
}

var goTest = template.Must(template.New("test").Funcs(template.FuncMap{"lit": goLiteral}).Parse(`package {{.Package}}

import (
	"testing"

	{{if .Contract}}"github.com/torntail/torntail/checker/contract"
	{{end}}"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/workloads"
)

// {{.Name}} fails for as long as this shows {{.Want}}.
// torntail shrink wrote it.
func {{.Name}}(t *testing.T) {
	p, err := plan.Parse({{lit .Plan}})
	if err != nil {
		t.Fatal(err)
	}
	mode, err := redis.ModeByName({{printf "%q" .Mode}})
	if err != nil {
		t.Fatal(err)
	}
	mode.Span = {{.Span}} // {{.SpanText}}
	mode.Directives = []product.Directive{
{{.Directives}}	}
	crash, err := experiment.CrashByName({{printf "%q" .Crash}})
	if err != nil {
		t.Fatal(err)
	}
	plants, err := experiment.ParsePlants({{printf "%q" .Plants}})
	if err != nil {
		t.Fatal(err)
	}
	{{if .Contract}}own, err := contract.Parse([]byte({{lit .Contract}}))
	if err != nil {
		t.Fatal(err)
	}
	{{end}}s := experiment.NewSimulator()
	defer s.Close()
	o, err := s.Run(&experiment.Experiment{
		Mode: mode, Crash: crash, Seed: {{.Seed}}, Plan: p, Plants: plants,
		Personality: {{printf "%q" .Personality}}, Profile: {{printf "%q" .Profile}},
		Workload: {{.Workload}},
		{{if .Contract}}Contract: own,
		{{end}}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !o.Struck {
		t.Fatalf("the crash did not strike: %s", o.Why)
	}
	if o.Shows({{printf "%q" .Want}}) {
		for _, a := range o.Anomalies {
			t.Errorf("%s\n%s", a.Name, a.Story)
		}
		t.Fatal({{printf "%q" .Want}})
	}
}
`))
