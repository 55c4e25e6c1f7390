// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"
	"strings"
)

// around is how many lines are shown before and after a change.
const around = 3

// mostLines bounds the work on one comparison; what is longer is shown as replaced altogether.
const mostLines = 4000

// Diff shows what makes b of a, line by line, as patches do; empty where they are alike.
func Diff(nameA, nameB, a, b string) string {
	if a == b {
		return ""
	}
	edits := compare(lines(a), lines(b))
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", nameA, nameB)
	for begin := 0; begin < len(edits); {
		first := next(edits, begin)
		if first == len(edits) {
			break
		}
		last := first
		for n := next(edits, last+1); n < len(edits) && n-last <= 2*around; n = next(edits, last+1) {
			last = n
		}
		end := min(last+1+around, len(edits))
		hunk(&out, edits, max(first-around, begin), end)
		begin = end
	}
	return out.String()
}

// next is the first change at or after a line.
func next(edits []edit, from int) int {
	for from < len(edits) && edits[from].op == ' ' {
		from++
	}
	return from
}

// edit is a line that stays (' '), goes ('-') or comes ('+').
type edit struct {
	op   byte
	text string
}

func hunk(out *strings.Builder, edits []edit, begin, end int) {
	lineA, lineB := 1, 1
	for _, e := range edits[:begin] {
		if e.op != '+' {
			lineA++
		}
		if e.op != '-' {
			lineB++
		}
	}
	countA, countB := 0, 0
	for _, e := range edits[begin:end] {
		if e.op != '+' {
			countA++
		}
		if e.op != '-' {
			countB++
		}
	}
	if countA == 0 {
		lineA--
	}
	if countB == 0 {
		lineB--
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", lineA, countA, lineB, countB)
	for _, e := range edits[begin:end] {
		fmt.Fprintf(out, "%c%s\n", e.op, e.text)
	}
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// compare finds the longest common subsequence and gives the edits around it.
func compare(a, b []string) []edit {
	var head, tail []edit
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head, a, b = append(head, edit{' ', a[0]}), a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail, a, b = append([]edit{{' ', a[len(a)-1]}}, tail...), a[:len(a)-1], b[:len(b)-1]
	}
	if len(a) > mostLines || len(b) > mostLines {
		return append(append(head, replaced(a, b)...), tail...)
	}
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:]
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			head, i, j = append(head, edit{' ', a[i]}), i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			head, i = append(head, edit{'-', a[i]}), i+1
		default:
			head, j = append(head, edit{'+', b[j]}), j+1
		}
	}
	return append(append(head, replaced(a[i:], b[j:])...), tail...)
}

func replaced(a, b []string) []edit {
	var edits []edit
	for _, text := range a {
		edits = append(edits, edit{'-', text})
	}
	for _, text := range b {
		edits = append(edits, edit{'+', text})
	}
	return edits
}
