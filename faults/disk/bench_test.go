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
// read back through the seam.
func BenchmarkImages(b *testing.B) {
	for _, synced := range []int{500, 499, 490, 0} {
		b.Run(fmt.Sprintf("commands=500/in-play=%d", 500-synced), func(b *testing.B) {
			b.ReportAllocs()
			d, image := New(Options{}), New(Options{})
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
			buf := make([]byte, 64<<10)
			i, bytes := uint64(0), 0
			for b.Loop() {
				d.Image(image, Choice{Mode: KeepRandom, Seed: i})
				i++
				g, err := image.FS(nil).Open("a.aof", vfs.ReadOnly)
				if err != nil {
					continue
				}
				n, _ := g.Read(buf)
				bytes += n
			}
			b.ReportMetric(float64(bytes)/float64(i), "bytes/image")
		})
	}
}
