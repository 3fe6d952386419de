package disk

import (
	"fmt"
	"testing"

	"github.com/torntail/torntail/faults/vfs"
)

// command is one SET as the AOF holds it.
var command = []byte("*3\r\n$3\r\nSET\r\n$7\r\nkey:042\r\n$24\r\nvalue-000000000000000042!\r\n")

// BenchmarkCalls is the cost of one call: an append, or an fdatasync after
// every so many of them.
func BenchmarkCalls(b *testing.B) {
	for _, every := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("appends-per-sync=%d", every), func(b *testing.B) {
			b.ReportAllocs()
			d := New(Options{})
			var f vfs.File
			for i := 0; b.Loop(); i++ {
				if i%100_000 == 0 { // a new disk now and then: an AOF is rewritten too
					d.Reset(Options{})
					f, _ = d.FS(nil).Open("appendonly.aof", vfs.WriteOnly|vfs.Create|vfs.Append)
				}
				if i%(every+1) == every {
					f.SyncData()
				} else {
					f.Write(command)
				}
			}
		})
	}
}

// BenchmarkExperiment is one life of a disk in a simulated experiment: reset,
// the files of a server, 300 calls, a power cut, the restart's reading.
func BenchmarkExperiment(b *testing.B) {
	for _, mode := range []string{"always", "everysec"} {
		b.Run("mode="+mode, func(b *testing.B) {
			b.ReportAllocs()
			d, image := New(Options{}), New(Options{})
			buf := make([]byte, 64<<10)
			for i := 0; b.Loop(); i++ {
				d.Reset(Options{KeepLog: true})
				fs := d.FS(nil)
				fs.Mkdir("appendonlydir")
				f, _ := fs.Open("appendonlydir/appendonly.aof.1.incr.aof", vfs.WriteOnly|vfs.Create|vfs.Append)
				vfs.SyncDir(fs, "appendonlydir")
				for range 150 {
					f.Write(command)
					if mode == "always" {
						f.SyncData()
					} else {
						f.Write(command)
					}
				}
				d.PowerCutInto(image, Choice{Mode: KeepRandom, Seed: uint64(i)}, 0)
				g, err := image.FS(nil).Open("appendonlydir/appendonly.aof.1.incr.aof", vfs.ReadOnly)
				if err == nil {
					g.Read(buf)
				}
			}
		})
	}
}

// BenchmarkImages is the cost of one crash image of an AOF of 500 commands,
// read back through the seam: with everything, the last ten, the last one or
// nothing of it in play, and by what choices come after each other. Every choice
// but the random ones differs little from one before it, as an explorer's do;
// "fresh" makes each image from nothing.
func BenchmarkImages(b *testing.B) {
	sequences := map[string]func(d *Disk, i int) func(func(Choice) bool){
		"prefixes": func(d *Disk, _ int) func(func(Choice) bool) { return d.Prefixes() },
		"drop-one": func(d *Disk, _ int) func(func(Choice) bool) { return d.DropOne() },
		"keep-one": func(d *Disk, _ int) func(func(Choice) bool) { return d.KeepOne() },
		"pairs":    func(d *Disk, _ int) func(func(Choice) bool) { return d.Subsets(2) },
		"torn":     func(d *Disk, _ int) func(func(Choice) bool) { return d.Tears(1) },
		"random": func(_ *Disk, i int) func(func(Choice) bool) {
			return func(yield func(Choice) bool) { yield(Choice{Mode: KeepRandom, Seed: uint64(i)}) }
		},
	}
	for _, synced := range []int{500, 499, 490, 0} {
		for _, choices := range []string{"prefixes", "drop-one", "keep-one", "pairs", "torn", "random", "fresh"} {
			if synced == 500 && choices != "prefixes" && choices != "fresh" {
				continue // there is nothing to choose
			}
			b.Run(fmt.Sprintf("commands=500/in-play=%d/choices=%s", 500-synced, choices), func(b *testing.B) {
				b.ReportAllocs()
				d := aofOf500(synced)
				var im Imager
				im.Begin(d)
				fresh := New(Options{})
				buf := make([]byte, 64<<10)
				images, bytes := 0, 0
				read := func(image *Disk) {
					images++
					if f, err := image.FS(nil).Open("a.aof", vfs.ReadOnly); err == nil {
						n, _ := f.Read(buf)
						bytes += n
						f.Close()
					}
				}
				if choices == "fresh" {
					for b.Loop() {
						d.Image(fresh, Choice{Mode: KeepRandom, Seed: uint64(images)})
						read(fresh)
					}
				} else {
					next := func(yield func(Choice) bool) { // for ever
						for i := 0; ; i++ {
							for c := range sequences[choices](d, i) {
								if !yield(c) {
									return
								}
							}
						}
					}
					for c := range next {
						if !b.Loop() {
							break
						}
						im.Choose(c)
						read(im.Image())
					}
				}
				b.ReportMetric(float64(images)/b.Elapsed().Seconds(), "images/s")
				b.ReportMetric(float64(bytes)/float64(images), "bytes/image")
			})
		}
	}
}

// aofOf500 is a disk with an AOF of 500 commands, of which so many are synced.
func aofOf500(synced int) *Disk {
	d := New(Options{})
	f, _ := d.FS(nil).Open("a.aof", vfs.WriteOnly|vfs.Create|vfs.Append)
	for i := range 500 {
		if i == synced {
			f.SyncData()
		}
		f.Write(command)
	}
	if synced == 500 {
		f.SyncData()
	}
	return d
}
