package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/history/edn"
	"github.com/torntail/torntail/reports/junit"
	"github.com/torntail/torntail/reports/result"
)

// checkSchema is the version of check's JSON.
const checkSchema = 1

// checkReport is what --json writes.
type checkReport struct {
	Schema    int             `json:"schema"`
	Torntail  string          `json:"torntail"`
	Exit      int             `json:"exit"` // the exit status
	Histories []historyReport `json:"histories"`
}

type historyReport struct {
	File         string          `json:"file"`
	Part         string          `json:"part,omitempty"` // which of several in the file
	Format       string          `json:"format,omitempty"`
	Workload     string          `json:"workload,omitempty"`
	JudgedBy     string          `json:"judged_by,omitempty"`
	Operations   int             `json:"operations"`
	Acknowledged int             `json:"acknowledged"` // writes
	Crashes      int             `json:"crashes"`
	Verdict      string          `json:"verdict"` // holds, violated, unknown, not judged
	Why          string          `json:"why,omitempty"`
	Anomalies    []anomalyReport `json:"anomalies,omitempty"`
	Findings     []string        `json:"findings,omitempty"`
	Notes        []string        `json:"notes,omitempty"`
	Partial      []string        `json:"partial,omitempty"` // how far searches came that were not finished
	Loss         string          `json:"loss,omitempty"`
}

type anomalyReport struct {
	Name       string `json:"name"`
	Key        string `json:"key,omitempty"`
	Rule       string `json:"rule,omitempty"`
	Story      string `json:"story"`
	Operations []int  `json:"operations,omitempty"` // places in the history, from 0
}

func reportOf(all []judged) checkReport {
	r := checkReport{Schema: checkSchema, Torntail: version, Histories: []historyReport{}}
	var codes []int
	for i := range all {
		j := &all[i]
		codes = append(codes, j.exit())
		h := historyReport{File: j.path, Part: j.part, Format: string(j.file.Format), Workload: string(j.file.Workload),
			JudgedBy: j.verdict.As, Operations: j.ops, Acknowledged: j.acked, Crashes: j.crashes, Verdict: j.verdictWord(),
			Why: j.verdict.Why, Findings: j.findings, Notes: j.verdict.Notes, Partial: j.verdict.Partial, Loss: j.loss}
		if j.asSaved != "" {
			h.Notes = append(slices.Clone(h.Notes), j.asSaved)
		}
		if j.err != nil {
			h.Why = trimmed(j).Error()
		}
		for _, a := range j.verdict.Anomalies {
			h.Anomalies = append(h.Anomalies, anomalyReport{Name: string(a.Name), Key: a.Key, Rule: a.Rule, Story: a.Story, Operations: a.Ops})
		}
		r.Histories = append(r.Histories, h)
	}
	r.Exit = result.Worst(codes...)
	return r
}

// reports writes what --json, --junit and --jepsen ask for.
func (c *checkCmd) reports(a *app, all []judged) error {
	if c.JSON == "" && c.JUnit == "" && !c.Jepsen {
		return nil
	}
	r := reportOf(all)
	asJSON := func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(&r)
	}
	switch {
	case c.JSON == "-":
		if err := asJSON(a.stdout); err != nil {
			return err
		}
	case c.JSON != "":
		if err := writeAsked(c.JSON, asJSON); err != nil {
			return err
		}
	}
	if c.JUnit != "" {
		if err := writeAsked(c.JUnit, func(w io.Writer) error { return junit.WriteHistories(w, version, casesOf(&r)) }); err != nil {
			return err
		}
	}
	if c.Jepsen {
		_, err := fmt.Fprintln(a.stdout, jepsenResult(&r))
		return err
	}
	return nil
}

func casesOf(r *checkReport) []junit.History {
	var cases []junit.History
	for i := range r.Histories {
		h := &r.Histories[i]
		c := junit.History{Name: h.File, JudgedBy: h.JudgedBy, Why: h.Why}
		if h.Part != "" {
			c.Name += ":" + h.Part
		}
		switch h.Verdict {
		case string(result.Violated):
			c.Failed = true
			for _, a := range h.Anomalies {
				c.Anomalies = append(c.Anomalies, a.Name)
				c.Text += a.Name + "\n" + a.Story + "\n\n"
			}
		case string(result.Unknown), notJudged:
			c.Unknown = true
		}
		c.Text += strings.Join(h.Notes, "\n")
		cases = append(cases, c)
	}
	return cases
}

// jepsenResult is what a checker of Jepsen's returns: a map with :valid?, which
// is true, false or :unknown. Of several histories it is the map that
// jepsen.checker/compose makes, with one result for each.
func jepsenResult(r *checkReport) string {
	var b strings.Builder
	if len(r.Histories) == 1 {
		r.Histories[0].result(&b)
		return b.String()
	}
	valid := "true"
	for i := range r.Histories {
		switch v := r.Histories[i].valid(); {
		case v == "false", v == ":unknown" && valid == "true":
			valid = v
		}
	}
	fmt.Fprintf(&b, "{:valid? %s, :histories {", valid)
	for i := range r.Histories {
		h := &r.Histories[i]
		name := h.File
		if h.Part != "" {
			name += ":" + h.Part
		}
		if i > 0 {
			b.WriteString(",\n ")
		}
		b.WriteString(edn.Quote(name) + " ")
		h.result(&b)
	}
	b.WriteString("}}")
	return b.String()
}

func (h *historyReport) valid() string {
	switch h.Verdict {
	case string(result.Holds):
		return "true"
	case string(result.Violated):
		return "false"
	}
	return ":unknown"
}

func (h *historyReport) result(b *strings.Builder) {
	fmt.Fprintf(b, "{:valid? %s, :op-count %d", h.valid(), h.Operations)
	optional := func(key, text string) {
		if text != "" {
			fmt.Fprintf(b, ", :%s %s", key, edn.Quote(text))
		}
	}
	optional("judged-by", h.JudgedBy)
	if h.Verdict == notJudged {
		optional("error", h.Why)
	} else {
		optional("why", h.Why)
	}
	if len(h.Anomalies) > 0 {
		byName := map[string][]*anomalyReport{}
		var names []string
		for i := range h.Anomalies {
			a := &h.Anomalies[i]
			if byName[a.Name] == nil {
				names = append(names, a.Name)
			}
			byName[a.Name] = append(byName[a.Name], a)
		}
		fmt.Fprintf(b, ", :anomaly-types [:%s], :anomalies {", strings.Join(names, " :"))
		for i, name := range names {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(b, ":%s [", name)
			for n, a := range byName[name] {
				if n > 0 {
					b.WriteByte(' ')
				}
				fmt.Fprintf(b, "{:key %s, :rule %s, :story %s, :ops %v}", edn.Quote(a.Key), edn.Quote(a.Rule), edn.Quote(a.Story), a.Operations)
			}
			b.WriteByte(']')
		}
		b.WriteByte('}')
	}
	if len(h.Notes) > 0 {
		b.WriteString(", :notes [")
		for i, n := range h.Notes {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(edn.Quote(n))
		}
		b.WriteByte(']')
	}
	b.WriteByte('}')
}
