// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"

	dto "github.com/prometheus/client_model/go"
)

// buckets reads a native histogram: by the middle of each bucket, how many observations it holds. The buckets of
// controller-runtime are a tenth wide, so a median is right to about five hundredths.
func buckets(h *dto.Histogram) map[string]uint64 {
	found := map[string]uint64{}
	base := math.Exp2(math.Exp2(-float64(h.GetSchema())))
	var index int32
	var count int64
	next := 0
	for _, span := range h.GetPositiveSpan() {
		index += span.GetOffset()
		for range span.GetLength() {
			count += h.GetPositiveDelta()[next]
			next++
			upper := math.Pow(base, float64(index))
			if count > 0 {
				found[key((upper+upper/base)/2)] += uint64(count)
			}
			index++
		}
	}
	if zero := h.GetZeroCount(); zero > 0 {
		found[key(0)] += zero
	}
	return found
}

func key(seconds float64) string { return strconv.FormatFloat(seconds, 'g', 12, 64) }

// medianSince is the median of what was observed between two readings, in seconds, and of how many it is one.
func medianSince(before, after map[string]uint64) (seconds float64, of uint64) {
	type bucket struct {
		seconds float64
		count   uint64
	}
	var list []bucket
	for k := range maps.Keys(after) {
		at, err := strconv.ParseFloat(k, 64)
		if err != nil || after[k] <= before[k] {
			continue
		}
		list = append(list, bucket{at, after[k] - before[k]})
		of += after[k] - before[k]
	}
	slices.SortFunc(list, func(a, b bucket) int { return cmp.Compare(a.seconds, b.seconds) })
	var passed uint64
	for _, b := range list {
		if passed += b.count; 2*passed >= of {
			return b.seconds, of
		}
	}
	return 0, of
}
