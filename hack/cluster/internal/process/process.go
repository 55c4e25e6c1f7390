// SPDX-License-Identifier: Apache-2.0

// Package process starts long-running programs that outlive this one, finds
// them again and ends them. A process is known by its id together with when it
// started, so an id that another process got later is never touched.
package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/berth-dev/berth/hack/cluster/internal/await"
)

// Spec says how a program is run.
type Spec struct {
	// Name is unique in a Table; records and logs are named by it.
	Name string
	// Argv is the program's absolute path and its arguments.
	Argv []string
	// Env is the whole environment; that of the Table's mark is added.
	Env []string
	// Inputs are files that the program reads at its start only: when one of
	// them changes, a running program is out of date.
	Inputs []string
	// Enter runs start where the program is to live, such as inside a namespace;
	// nil is here.
	Enter func(start func() error) error
}

// Table is the programs of one cluster: a record and a log for each.
type Table struct {
	// Records is the folder of the files NAME.json.
	Records string
	// Logs is the folder of the files NAME.log.
	Logs string
	// Mark is an environment variable, KEY=VALUE, by which processes are found
	// whose records are lost. Their children have it too.
	Mark string
}

// Record is what a Table remembers of a started program.
type Record struct {
	PID int `json:"pid"`
	// Started is the system's mark of the start, comparable for equality only.
	Started string `json:"started"`
	// Spec is a hash of all that was given to the program.
	Spec string `json:"spec"`
}

// Alive says whether the recorded process still runs or holds files; a zombie
// does not.
func (r Record) Alive() bool {
	mark, err := startMark(r.PID)
	return err == nil && mark != "" && mark == r.Started
}

// Ensure makes the program run as spec says: it starts one that does not run,
// and replaces one that was started from another spec. started tells which.
func (t *Table) Ensure(ctx context.Context, spec Spec) (started bool, err error) {
	hash, err := spec.hash()
	if err != nil {
		return false, fmt.Errorf("%s: %w", spec.Name, err)
	}
	if record, err := t.Find(spec.Name); err == nil && record.Alive() {
		if record.Spec == hash && !ending(record.PID) {
			return false, nil
		}
		if err := t.Stop(ctx, spec.Name); err != nil {
			return false, err
		}
	}
	if err := t.start(spec, hash); err != nil {
		return false, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	return true, nil
}

func (t *Table) start(spec Spec, hash string) error {
	if err := errors.Join(os.MkdirAll(t.Records, 0o700), os.MkdirAll(t.Logs, 0o755)); err != nil {
		return err
	}
	log, err := t.openLog(spec.Name)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor; nothing was written here
	cmd := exec.Command(spec.Argv[0], spec.Argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = append(slices.Clone(spec.Env), t.Mark), log, log, "/"
	// A session of its own: an interrupt typed at the terminal is for us only.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	enter := spec.Enter
	if enter == nil {
		enter = func(start func() error) error { return start() }
	}
	if err := enter(cmd.Start); err != nil {
		return err
	}
	// Reaps the process if it ends while we are its parent.
	go cmd.Wait() //nolint:errcheck // Alive tells whether it ended, the log why
	mark, err := startMark(cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("it ended at once: %w\n%s", err, t.Tail(spec.Name))
	}
	return t.write(spec.Name, Record{PID: cmd.Process.Pid, Started: mark, Spec: hash})
}

// openLog appends to the program's log, and starts a new one when it is large.
func (t *Table) openLog(name string) (*os.File, error) {
	const large = 64 << 20
	path := t.logPath(name)
	if info, err := os.Stat(path); err == nil && info.Size() > large {
		if err := os.Rename(path, path+".old"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

func (t *Table) logPath(name string) string    { return filepath.Join(t.Logs, name+".log") }
func (t *Table) recordPath(name string) string { return filepath.Join(t.Records, name+".json") }

func (t *Table) write(name string, r Record) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temp := t.recordPath(name) + ".new"
	if err := os.WriteFile(temp, content, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, t.recordPath(name))
}

// Find reads a program's record; the error is fs.ErrNotExist if there is none.
func (t *Table) Find(name string) (Record, error) {
	var r Record
	content, err := os.ReadFile(t.recordPath(name))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("record %s: %w", t.recordPath(name), err)
	}
	return r, nil
}

// Names lists the recorded programs, sorted.
func (t *Table) Names() ([]string, error) {
	entries, err := os.ReadDir(t.Records)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	return names, nil
}

// Check is nil while the program runs; otherwise it is an await.Final error with
// the end of the log.
func (t *Table) Check(name string) error {
	if r, err := t.Find(name); err == nil && r.Alive() {
		return nil
	}
	return await.Final{Err: fmt.Errorf("%s ended; the end of %s:\n%s", name, t.logPath(name), t.Tail(name))}
}

// Tail is the last lines of the program's log, at most 2 kB of them.
func (t *Table) Tail(name string) string {
	const most = 2000
	content, err := os.ReadFile(t.logPath(name))
	if err != nil {
		return err.Error()
	}
	if len(content) > most {
		content = content[len(content)-most:]
		if _, rest, ok := strings.Cut(string(content), "\n"); ok {
			return rest
		}
	}
	return string(content)
}

// Stop ends the programs together: TERM, and KILL for those that are still
// there after ten seconds. Names without a living process are fine.
func (t *Table) Stop(ctx context.Context, names ...string) error {
	alive := map[string]Record{}
	for _, name := range names {
		r, err := t.Find(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && r.Alive() {
			alive[name] = r
		}
	}
	err := End(ctx, mapValues(alive), 10*time.Second)
	for _, name := range names {
		if rmErr := os.Remove(t.recordPath(name)); err == nil && rmErr != nil && !errors.Is(rmErr, fs.ErrNotExist) {
			err = rmErr
		}
	}
	return err
}

// End sends TERM to the processes, and KILL after grace, and waits until they
// are gone.
func End(ctx context.Context, records []Record, grace time.Duration) error {
	signal(records, syscall.SIGTERM)
	gone := func(context.Context) error {
		for _, r := range records {
			if r.Alive() {
				return fmt.Errorf("process %d is still there", r.PID)
			}
		}
		return nil
	}
	if err := await.Until(ctx, "the end of the processes", grace, gone); err == nil || ctx.Err() != nil {
		return err
	}
	signal(records, syscall.SIGKILL)
	return await.Until(ctx, "the end of the processes after KILL", 10*time.Second, gone)
}

func signal(records []Record, s syscall.Signal) {
	for _, r := range records {
		if r.Alive() {
			syscall.Kill(r.PID, s) //nolint:errcheck // it may have ended this moment; the wait that follows decides
		}
	}
}

// Known makes a record for a process that was not started through a Table.
func Known(pid int) (Record, error) {
	mark, err := startMark(pid)
	return Record{PID: pid, Started: mark}, err
}

func mapValues(m map[string]Record) []Record {
	var records []Record
	for _, r := range m {
		records = append(records, r)
	}
	return records
}

func (s Spec) hash() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n%q\n", s.Argv, s.Env)
	for _, path := range s.Inputs {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n%s", path, len(content), content)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
