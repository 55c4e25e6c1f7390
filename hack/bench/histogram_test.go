// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// The median that is read from a native histogram is that of the values, within a bucket.
func TestMedianSince(t *testing.T) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "took", NativeHistogramBucketFactor: 1.1})
	read := func() map[string]uint64 {
		var m dto.Metric
		if err := h.Write(&m); err != nil {
			t.Fatal(err)
		}
		return buckets(m.GetHistogram())
	}
	for range 100 {
		h.Observe(5) // before: it must not count
	}
	before := read()
	for i := range 101 {
		h.Observe(0.001 + float64(i)*0.0001) // 1 to 11 ms, median 6 ms
	}
	got, of := medianSince(before, read())
	if of != 101 {
		t.Errorf("of %d observations, want 101", of)
	}
	if math.Abs(got-0.006) > 0.0006 {
		t.Errorf("the median is %v, want about 0.006", got)
	}
	if got, of := medianSince(read(), read()); got != 0 || of != 0 {
		t.Errorf("between two readings of the same: %v of %d", got, of)
	}
}
