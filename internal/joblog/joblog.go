// SPDX-License-Identifier: Apache-2.0

// Package joblog keeps the log of a job: of a build, of a version's check, of a dry run. It owns how lines are added (one
// a cause, however often a pass is made again), how many there may be, and what their text may hold. What is told, and
// when, is its callers' choice; they write the log together with the change that it tells of.
package joblog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const (
	// MaxLines and MaxBytes are the most that a job's log holds, as an object must not grow with what befalls it.
	MaxLines = 200
	MaxBytes = 32 << 10
	// MaxOutput is the longest line, in bytes.
	MaxOutput = 2000

	// What stays free for the line that says that lines are left out, and for how the job ended.
	reservedLines = 8
	reservedBytes = 6 << 10

	maxCause = 128
	maxStage = 64
	// overhead is what a line takes beside its texts: keys, quotes, id and time.
	overhead = 110
	// causeFull is the cause of the line that says that lines are left out.
	causeFull = "log/full"
)

// Entry is something to be told.
type Entry struct {
	// Cause names what is told of; an entry whose cause the log knows is not told again. Empty is the text itself.
	Cause string
	// At is when it happened.
	At time.Time
	// Stage is the heading that it stands under.
	Stage string
	// Level is one of v1alpha1's; empty is info.
	Level string
	// Source is one of v1alpha1's; empty is the manager.
	Source string
	// Output is what is said. It becomes one line of harmless text.
	Output string
	// Last is how the job ended: it is told also when the log is full.
	Last bool
}

// Entryf is an entry of the manager at the usual level.
func Entryf(at time.Time, stage, cause, format string, args ...any) Entry {
	return Entry{Cause: cause, At: at, Stage: stage, Output: fmt.Sprintf(format, args...)}
}

// Append adds what the log does not tell yet. It gives the very log where there is nothing to add, and never changes the
// lines that it was given. No line tells of an earlier time than the one before it.
func Append(log []v1alpha1.LogLine, entries ...Entry) []v1alpha1.LogLine {
	out, grown := log, false
	for _, e := range entries {
		line := line(e)
		if Has(out, line.Cause) {
			continue
		}
		if !fits(out, line, e.Last) {
			line = full(e)
			if Has(out, line.Cause) || !fits(out, line, true) {
				continue
			}
		}
		if !grown {
			out, grown = slices.Clone(out), true
		}
		line.ID = 1
		if n := len(out); n > 0 {
			line.ID = out[n-1].ID + 1
			line.At = later(line.At, out[n-1].At)
		}
		out = append(out, line)
	}
	return out
}

// Has tells whether the log tells of a cause.
func Has(log []v1alpha1.LogLine, cause string) bool {
	cause = bound(cause, maxCause)
	return slices.ContainsFunc(log, func(l v1alpha1.LogLine) bool { return l.Cause == cause })
}

// Between are the lines with an id above after and below before; a before of zero or less sets no end.
func Between(log []v1alpha1.LogLine, after, before int64) []v1alpha1.LogLine {
	from := 0
	for from < len(log) && log[from].ID <= after {
		from++
	}
	to := len(log)
	for before > 0 && to > from && log[to-1].ID >= before {
		to--
	}
	return log[from:to]
}

// line is an entry as it is kept.
func line(e Entry) v1alpha1.LogLine {
	output := Clean(e.Output)
	cause := e.Cause
	if cause == "" {
		cause = e.Stage + "/" + output
	}
	l := v1alpha1.LogLine{
		At: e.At.UTC().Format(time.RFC3339Nano), Stage: Cut(Clean(e.Stage), maxStage), Level: e.Level, Source: e.Source,
		Output: Cut(output, MaxOutput), Cause: bound(cause, maxCause),
	}
	if l.Level == "" {
		l.Level = v1alpha1.LogInfo
	}
	if l.Source == "" {
		l.Source = v1alpha1.LogSourceManager
	}
	return l
}

// full says that there was more. It is the last but for how the job ends.
func full(e Entry) v1alpha1.LogLine {
	return line(Entry{Cause: causeFull, At: e.At, Stage: e.Stage, Level: v1alpha1.LogWarn,
		Output: fmt.Sprintf("The log is full: it holds at most %d lines and %d KiB. What happened from here on is left out, but for how it ended.", MaxLines, MaxBytes>>10)})
}

// fits tells whether there is room for a line; what is reserved is for the last ones.
func fits(log []v1alpha1.LogLine, l v1alpha1.LogLine, last bool) bool {
	lines, bytes := MaxLines-reservedLines, MaxBytes-reservedBytes
	if last {
		lines, bytes = MaxLines, MaxBytes
	}
	total := size(l)
	for i := range log {
		total += size(log[i])
	}
	return len(log) < lines && total <= bytes
}

func size(l v1alpha1.LogLine) int {
	return overhead + len(l.Stage) + len(l.Level) + len(l.Source) + len(l.Output) + len(l.Cause)
}

// later is the later of two times as they are written.
func later(a, b string) string {
	x, errX := time.Parse(time.RFC3339Nano, a)
	y, errY := time.Parse(time.RFC3339Nano, b)
	if errX == nil && errY == nil && x.Before(y) {
		return b
	}
	return a
}

// bound keeps a cause that is short as it is, and gives a longer one a digest in place of its end.
func bound(cause string, most int) string {
	if cause = Clean(cause); len(cause) <= most {
		return cause
	}
	sum := sha256.Sum256([]byte(cause))
	mark := "-" + hex.EncodeToString(sum[:8])
	return head(cause, most-len(mark)) + mark
}

// Clean makes any text one line of valid UTF-8 that neither a terminal nor a page takes for commands: what ends a line or
// moves the cursor is a blank, and every other control or formatting character is shown escaped.
func Clean(text string) string {
	var b strings.Builder
	blank := false
	for _, r := range text {
		if unicode.IsSpace(r) && r != '\u0085' {
			blank = b.Len() > 0
			continue
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		switch {
		case unicode.IsGraphic(r):
			b.WriteRune(r) // an invalid byte reads as U+FFFD, which is graphic
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

// Cut shortens a text to at most so many bytes, between characters, and marks the cut.
func Cut(text string, most int) string {
	const mark = "…"
	if len(text) <= most {
		return text
	}
	return head(text, most-len(mark)) + mark
}

// head is the beginning of a text, cut between characters.
func head(text string, most int) string {
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
