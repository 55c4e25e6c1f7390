// SPDX-License-Identifier: Apache-2.0

package process

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/hack/cluster/internal/await"
)

func newTable(t *testing.T) *Table {
	t.Helper()
	dir := t.TempDir()
	return &Table{Records: filepath.Join(dir, "records"), Logs: filepath.Join(dir, "log"), Mark: "BERTH_TEST=" + dir}
}

func shell(name, script string, inputs ...string) Spec {
	return Spec{Name: name, Argv: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}, Inputs: inputs}
}

func TestEnsure(t *testing.T) {
	input := filepath.Join(t.TempDir(), "input")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(input, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	table := newTable(t)
	t.Cleanup(func() {
		if err := table.Stop(t.Context(), "sleeper"); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	spec := shell("sleeper", "exec sleep 60", input)
	steps := []struct {
		name        string
		change      func()
		wantStarted bool
	}{
		{"first", func() {}, true},
		{"again", func() {}, false},
		{"another input", func() { write("two") }, true},
		{"other arguments", func() { spec.Argv[2] = "exec sleep 61" }, true},
		{"a record of another process", func() {
			record, err := table.Find("sleeper")
			if err != nil {
				t.Fatal(err)
			}
			if err := table.Stop(t.Context(), "sleeper"); err != nil {
				t.Fatal(err)
			}
			record.PID = os.Getpid() // alive, but started at another time
			if err := table.write("sleeper", record); err != nil {
				t.Fatal(err)
			}
		}, true},
	}
	for _, step := range steps {
		step.change()
		started, err := table.Ensure(t.Context(), spec)
		if err != nil || started != step.wantStarted {
			t.Fatalf("%s: started %v, %v; want %v", step.name, started, err, step.wantStarted)
		}
	}
	record, err := table.Find("sleeper")
	if err != nil {
		t.Fatal(err)
	}
	if err := table.Stop(t.Context(), "sleeper", "never started"); err != nil {
		t.Fatal(err)
	}
	if record.Alive() {
		t.Error("the process is still there")
	}
	if names, err := table.Names(); err != nil || len(names) > 0 {
		t.Errorf("records are left: %v, %v", names, err)
	}
}

func TestStopOfAProcessThatIgnoresTerm(t *testing.T) {
	table := newTable(t)
	if _, err := table.Ensure(t.Context(), shell("obstinate", `trap "" TERM; echo ready; while :; do sleep 60; done`)); err != nil {
		t.Fatal(err)
	}
	record, err := table.Find("obstinate")
	if err != nil {
		t.Fatal(err)
	}
	waitForLog(t, table, "obstinate", "ready")
	if err := End(t.Context(), []Record{record}, 200*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if record.Alive() {
		t.Error("the process is still there")
	}
	left, err := table.Marked()
	if err != nil {
		t.Fatal(err)
	}
	var records []Record
	for _, pid := range left { // the sleep that it ran
		if r, err := Known(pid); err == nil {
			records = append(records, r)
		}
	}
	if err := End(t.Context(), records, time.Second); err != nil {
		t.Error(err)
	}
}

func TestCheckShowsTheLog(t *testing.T) {
	table := newTable(t)
	if _, err := table.Ensure(t.Context(), shell("failing", "echo no such flag >&2; sleep 0.3; exit 1")); err != nil {
		t.Fatal(err)
	}
	err := await.Until(t.Context(), "the impossible", time.Minute, func(context.Context) error {
		if err := table.Check("failing"); err != nil {
			return err
		}
		return errors.New("not yet")
	})
	if err == nil || !strings.Contains(err.Error(), "no such flag") {
		t.Errorf("the error %v does not show the log", err)
	}
}

func waitForLog(t *testing.T, table *Table, name, text string) {
	t.Helper()
	err := await.Until(t.Context(), text+" in the log", time.Minute, func(context.Context) error {
		if !strings.Contains(table.Tail(name), text) {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
