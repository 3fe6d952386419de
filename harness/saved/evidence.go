package saved

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/internal/inside"
	"github.com/torntail/torntail/internal/matching"
	"github.com/torntail/torntail/reports/model"
)

// largestPicture bounds what is read of a picture: a report is opened in a browser.
const largestPicture = 4 << 20

// clientsSee are the anomalies that porcupine's view explains: those that show
// in what clients saw.
var clientsSee = []anomaly.Name{anomaly.NonLinearizable, anomaly.StaleRead}

// Evidence reads what a replay directory holds for a report: the history, the
// pictures that the experiment drew, and, where the operations cannot be put in
// order, porcupine's view of the smallest part that shows it. A directory that
// is no replay directory has none.
func Evidence(dir string) (*model.Evidence, error) {
	e := new(model.Evidence)
	err := inside.Tree(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return e, nil
	case err != nil:
		return nil, err
	}
	if e.Pictures, err = Pictures(dir); err != nil {
		return nil, err
	}
	e.History, err = history.Load(filepath.Join(dir, HistoryFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return e, nil
	case err != nil:
		return nil, err
	}
	if e.Interactive, err = orderView(dir, e.History); err != nil {
		return nil, err
	}
	return e, nil
}

// orderView is porcupine's page about a saved failure, nil when it is about
// something else than the order of operations.
func orderView(dir string, h *history.History) ([]byte, error) {
	if !Is(dir) {
		return nil, nil
	}
	s, err := Load(dir)
	if err != nil {
		return nil, err
	}
	name := anomaly.Name(s.Anomaly)
	if !slices.Contains(clientsSee, name) {
		return nil, nil
	}
	x, err := s.Experiment(nil)
	if err != nil {
		return nil, err
	}
	c, err := experiment.ContractOf(&x.Mode, x.Crash, x.Personality, x.Contract)
	if err != nil {
		return nil, err
	}
	judge := checker.Judge{}
	small, ok := judge.Minimize(h, c, name)
	if !ok {
		return nil, nil
	}
	var page bytes.Buffer
	if err := judge.Picture(&page, small.History, small.Anomaly); err != nil {
		return nil, err
	}
	return page.Bytes(), nil
}

// Pictures are the SVG images in a directory, by their names.
func Pictures(dir string) ([]model.Picture, error) {
	names, err := matching.In(dir, "*.svg")
	if err != nil {
		return nil, err
	}
	var list []model.Picture
	for _, name := range names {
		if err := inside.Check(dir, name); err != nil {
			return nil, err
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if info.Size() > largestPicture {
			return nil, fmt.Errorf("%s has %d bytes: a picture in a report has at most %d", name, info.Size(), largestPicture)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		list = append(list, model.Picture{Title: strings.TrimSuffix(filepath.Base(name), ".svg"), SVG: data})
	}
	return list, nil
}
