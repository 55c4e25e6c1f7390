// SPDX-License-Identifier: Apache-2.0

package joblog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/v1alpha1"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 89, time.UTC)

func outputs(log []v1alpha1.LogLine) []string {
	var all []string
	for _, l := range log {
		all = append(all, l.Output)
	}
	return all
}

func TestAppend(t *testing.T) {
	first := Append(nil, Entryf(now, "Rendering", "render", "version %s", "go-dev-1"),
		Entry{At: now.Add(time.Second), Stage: "Scheduling", Level: v1alpha1.LogWarn, Source: v1alpha1.LogSourceCluster, Output: "no node"})
	want := []v1alpha1.LogLine{
		{ID: 1, At: "2026-03-04T05:06:07.000000089Z", Stage: "Rendering", Level: "info", Source: "manager", Output: "version go-dev-1", Cause: "render"},
		{ID: 2, At: "2026-03-04T05:06:08.000000089Z", Stage: "Scheduling", Level: "warn", Source: "cluster", Output: "no node", Cause: "Scheduling/no node"},
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	again := Append(first, Entryf(now.Add(time.Hour), "Rendering", "render", "told once"))
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("a cause was told twice: want -, got +:\n%s", diff)
	}
	earlier := Append(first, Entryf(now.Add(-time.Hour), "Starting", "pod", "an event that came late"))
	if got := earlier[2]; got.ID != 3 || got.At != want[1].At {
		t.Errorf("id %d at %s: want 3, no earlier than the line before it", got.ID, got.At)
	}
	if len(first) != 2 {
		t.Error("the log that was given has grown")
	}
}

// Whatever befalls a job, its log keeps its bounds, says that lines are left out, and tells how the job ended.
func TestBounds(t *testing.T) {
	for name, length := range map[string]int{"many": 10, "long": 1500, "too long": 5000} {
		t.Run(name, func(t *testing.T) {
			var log []v1alpha1.LogLine
			for i := range 2 * MaxLines {
				log = Append(log, Entryf(now, "Pulling image", fmt.Sprint(i), "%d %s", i, strings.Repeat("x", length)))
			}
			log = Append(log, Entry{Cause: "end", At: now, Stage: "Failed", Level: v1alpha1.LogError, Output: strings.Repeat("why ", 1000), Last: true})
			text, err := json.Marshal(log)
			if err != nil {
				t.Fatal(err)
			}
			if len(log) > MaxLines || len(text) > MaxBytes {
				t.Errorf("%d lines, %d bytes", len(log), len(text))
			}
			if n := len(log); log[n-1].Cause != "end" || log[n-2].Cause != causeFull {
				t.Errorf("it ends with %q, %q", log[n-2].Cause, log[n-1].Cause)
			}
			for i, l := range log {
				if l.ID != int64(i+1) || len(l.Output) > MaxOutput {
					t.Errorf("line %d has id %d and %d bytes", i, l.ID, len(l.Output))
				}
			}
		})
	}
}

func TestBetween(t *testing.T) {
	var log []v1alpha1.LogLine
	for i := range 5 {
		log = Append(log, Entryf(now, "s", "", "%d", i+1))
	}
	for name, c := range map[string]struct {
		after, before int64
		want          []string
	}{
		"all":            {0, 0, []string{"1", "2", "3", "4", "5"}},
		"after":          {3, 0, []string{"4", "5"}},
		"before":         {0, 3, []string{"1", "2"}},
		"both":           {1, 4, []string{"2", "3"}},
		"after the end":  {9, 0, nil},
		"before a time":  {0, 1767225600000, []string{"1", "2", "3", "4", "5"}},
		"nothing inside": {4, 2, nil},
		"before is none": {0, -1, []string{"1", "2", "3", "4", "5"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, outputs(Between(log, c.after, c.before))); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
		})
	}
}

func TestAdvisory_V20_NoLineHoldsWhatATerminalObeys(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b]8;;https://evil.example\x07here\x1b]8;;\x07": `\x1b]8;;https://evil.example\x07here\x1b]8;;\x07`,
		"\x1b]52;c;cm0gLXJmIH4=\a":                         `\x1b]52;c;cm0gLXJmIH4=\x07`,
		"user\u202etxt.exe":                                `user\u202etxt.exe`,
		"a\r\nb\tc\n":                                      "a b c",
		"c1 \u009b31m":                                     `c1 \x9b31m`,
		"next\u0085line":                                   `next\x85line`,
		"nul\x00":                                          `nul\x00`,
		"bad \xff\xfe":                                     "bad \ufffd\ufffd",
		"tag \U000e0041":                                   `tag \U000e0041`,
		"<script>alert(1)</script>":                        "<script>alert(1)</script>",
		"grüezi 世界":                                        "grüezi 世界",
	} {
		if got := Append(nil, Entry{At: now, Stage: "s", Output: in})[0].Output; got != want {
			t.Errorf("%q is told as %q, want %q", in, got, want)
		}
	}
}

func FuzzAppend(f *testing.F) {
	f.Add("a\x1b]8;;http://evil\x07b\u202ec\x00\n\td", "cause\xff", uint16(3))
	f.Fuzz(func(t *testing.T, output, cause string, times uint16) {
		var log []v1alpha1.LogLine
		for i := range int(times) % 400 {
			e := Entry{At: now, Stage: cause, Output: output, Last: i%50 == 0}
			if cause != "" {
				e.Cause = fmt.Sprint(cause, i)
			}
			log = Append(log, e)
		}
		if text, err := json.Marshal(log); err != nil || len(log) > MaxLines {
			t.Fatalf("%d lines, %d bytes: %v", len(log), len(text), err)
		}
		for _, l := range log {
			for _, text := range []string{l.Stage, l.Output, l.Cause} {
				if !utf8.ValidString(text) || slices.ContainsFunc([]rune(text), func(r rune) bool { return !unicode.IsGraphic(r) }) {
					t.Fatalf("%q", text)
				}
			}
			if len(l.Output) > MaxOutput || len(l.Cause) > maxCause || len(l.Stage) > maxStage {
				t.Fatalf("%d, %d, %d bytes", len(l.Output), len(l.Cause), len(l.Stage))
			}
		}
	})
}
