package history

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

// benchmarkOps is how long the histories are; ns/operation is also reported.
const benchmarkOps = 100_000

// registers are writes and reads of a hundred keys by ten clients.
func registers(n int) *History {
	h := &History{Ops: make([]Op, 0, n)}
	for i := range n {
		op := Op{ID: i, Client: i % 10, Kind: Write, Key: fmt.Sprintf("key:%d", i%100), Value: fmt.Sprintf("value-%d", i),
			Invoke: time.Duration(i) * 1000, Return: time.Duration(i)*1000 + 9000, Outcome: OK}
		if i%3 == 0 {
			op.Kind = Read
		}
		h.Ops = append(h.Ops, op)
	}
	return h
}

func BenchmarkDecode(b *testing.B) {
	var text bytes.Buffer
	if err := Encode(&text, registers(benchmarkOps)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(bytes.NewReader(text.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchmarkOps), "ns/operation")
}

func BenchmarkDecodeEDN(b *testing.B) {
	var text bytes.Buffer
	for i := range benchmarkOps {
		f, asked := "write", fmt.Sprint(i)
		if i%2 == 0 {
			f, asked = "read", "nil"
		}
		for _, line := range [2][2]string{{"invoke", asked}, {"ok", fmt.Sprint(i)}} {
			fmt.Fprintf(&text, "{:type :%s, :f :%s, :value [%d %s], :time %d, :process %d, :index %d}\n", line[0], f, i%100, line[1], i*1000, i%10, i)
		}
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeEDN(bytes.NewReader(text.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchmarkOps), "ns/operation")
}
