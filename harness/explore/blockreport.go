package explore

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/internal/jsonform"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// BlockSchema is the version of a BlockFile's JSON form.
const BlockSchema = 1

// BlockFile is the JSON form of all that a command explored on blocks.
type BlockFile struct {
	Reports  []*BlockReport `json:"explorations"`
	Kernel   string         `json:"kernel"`
	Schema   int            `json:"schema"`
	Seed     uint64         `json:"seed"`
	Target   string         `json:"target"`
	Torntail string         `json:"torntail"`
	Version  string         `json:"version"` // of the target
	Command  string         `json:"command,omitempty"`
	Started  time.Time      `json:"started,omitzero"`
	ElapsedS float64        `json:"elapsed_s,omitempty"`
	Machine  result.Machine `json:"machine,omitzero"`
	// Interrupted: what was not explored is unknown.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Write writes the JSON form.
func (f *BlockFile) Write(w io.Writer) error { return jsonform.Write(w, f, "  ") }

// Save writes the JSON form to a path.
func (f *BlockFile) Save(path string) error { return atomicfile.Write(path, f.Write) }

// ParseBlocks reads the JSON form of any version up to BlockSchema.
func ParseBlocks(data []byte) (*BlockFile, error) {
	f := new(BlockFile)
	if err := jsonform.Parse(data, BlockSchema, f); err != nil {
		return nil, err
	}
	for i, r := range f.Reports {
		if r == nil || r.Verdict == "" {
			return nil, fmt.Errorf("explorations[%d]: no verdict", i)
		}
	}
	return f, nil
}

// WriteText prints the report for people; quiet leaves the stories out.
func (r *BlockReport) WriteText(w io.Writer, quiet bool) {
	fmt.Fprintf(w, "%s on %s: %s", r.Mode, r.FS, r.Verdict)
	if r.Why != "" {
		fmt.Fprintf(w, " (%s)", r.Why)
	}
	fmt.Fprintf(w, "\n  recorded: %d acknowledged writes, %d writes of blocks, %d flushes\n", r.Acknowledged, r.Writes, r.Flushes)
	fmt.Fprintf(w, "  %d distinct crash images from %d of %d places in the disk's log in %.1f s: %.0f a second\n", r.Images, r.Tried, r.Places,
		r.ElapsedS, float64(r.Images)/max(r.ElapsedS, 0.001))
	s := r.Steps
	fmt.Fprintf(w, "  an image took %.1f ms to make, %.1f to attach, %.1f to mount with its journal, %.1f to start the server, %.1f to read it, %.1f to unmount\n",
		s.Build, s.Attach, s.Mount, s.Start, s.Read, s.Unmount)
	fmt.Fprintf(w, "  the server started by itself on %d, after its own repair on %d, not at all on %d; %d were not mounted\n",
		r.ByItself, r.Repaired, r.Refused, r.Unmountable)
	fmt.Fprintf(w, "  lost at most %d acknowledged writes, up to %.0f ms back\n", r.Lost, r.WindowMS)
	for _, name := range Names(r.Findings) {
		fmt.Fprintf(w, "  known finding %s: %d images\n", name, r.Findings[name])
	}
	for _, name := range Names(r.Anomalies) {
		fmt.Fprintf(w, "  %s: %d images\n", name, r.Anomalies[name])
	}
	for _, e := range r.Examples {
		fmt.Fprintf(w, "    %s: %s\n", e.What, e.Crash)
		if e.Dir != "" {
			fmt.Fprintf(w, "      torntail replay %s\n", e.Dir)
		}
		if e.Story != "" && !quiet {
			fmt.Fprintf(w, "      %s\n", wording.Clean(e.Story, true))
		}
	}
}

const blockCaption = "An image is what a cut of the power can leave on the block device; each was mounted, the server started on it and read. Lost and the window are those of the worst image."

var blockColumns = []model.Column{
	{Name: "acked writes", Unit: model.Writes},
	{Name: "distinct", Group: "images", Unit: model.Images},
	{Name: "by itself", Group: "the server started", Unit: model.Images},
	{Name: "repaired", Group: "the server started", Unit: model.Images},
	{Name: "not at all", Group: "the server started", Unit: model.Images},
	{Name: "not mounted", Unit: model.Images},
	{Name: "lost at most", Unit: model.Writes},
	{Name: "longest window", Unit: model.Milliseconds},
}

// Model is the file as the report that every format is written from. catalogue
// are the known findings of the product.
func (f *BlockFile) Model(catalogue []result.Finding) *model.Report {
	m := &model.Report{Header: model.Header{Torntail: f.Torntail, Command: f.Command, Seed: f.Seed, Started: f.Started, ElapsedS: f.ElapsedS, Machine: f.Machine},
		Interrupted: f.Interrupted}
	if m.Command == "" {
		m.Command = "torntail explore --backend block"
	}
	if m.Machine.Kernel == "" {
		m.Machine.Kernel = f.Kernel
	}
	target := strings.TrimSpace(f.Target + " " + f.Version)
	s := model.Section{Title: target + " on a logged block device", Caption: blockCaption, Labels: []string{"mode", "file system"}, Columns: blockColumns}
	images := 0
	for _, r := range f.Reports {
		images += r.Images
		s.Entries = append(s.Entries, r.entry(f.Target, target))
	}
	m.Sections = []model.Section{s}
	m.Headline = fmt.Sprintf("%d crash images of %s", images, wording.Times(len(f.Reports), "run"))
	m.Gather(catalogue)
	return m
}

func (r *BlockReport) entry(target, version string) model.Entry {
	e := model.Entry{Labels: []string{r.Mode, r.FS}, Target: target, Suite: "explore." + strings.ReplaceAll(version, ".", "_") + "." + r.Mode,
		Title: "crash images of blocks under " + r.FS, Verdict: r.Verdict, Why: r.Why, Anomalies: r.Anomalies, Of: "image"}
	for _, n := range []int{r.Acknowledged, r.Images, r.ByItself, r.Repaired, r.Refused, r.Unmountable, r.Lost} {
		e.Figures = append(e.Figures, model.Figure{Value: float64(n), Shown: fmt.Sprint(n)})
	}
	e.Figures = append(e.Figures, model.Figure{Value: r.WindowMS, Shown: wording.Duration(r.WindowMS)})
	var text strings.Builder
	r.WriteText(&text, false)
	e.Report = text.String()
	for _, name := range Names(r.Findings) {
		seen := model.Seen{Name: name, Times: r.Findings[name]}
		for _, x := range r.Examples {
			if x.What == name && seen.Command == "" {
				seen.Command = replayCommand(x.Dir)
			}
		}
		e.Seen = append(e.Seen, seen)
	}
	for _, x := range r.Examples {
		if r.Findings[x.What] == 0 {
			e.Failures = append(e.Failures, model.Failure{What: x.What, Where: x.Crash, Story: x.Story, Dir: x.Dir, Command: replayCommand(x.Dir)})
		}
	}
	return e
}

func replayCommand(dir string) string {
	f := result.Failure{Dir: dir}
	return f.ReplayCommand()
}
