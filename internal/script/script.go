// SPDX-License-Identifier: Apache-2.0

// Package script is what a pod tells its agent of the scripts that the agent is to run.
package script

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // images need not have the zones that TZ names

	"github.com/robfig/cron/v3"
)

// When a script runs.
const (
	AtStart    = "Start"
	AtStop     = "Stop"
	AtSchedule = "Schedule"
)

// Script is one of them, as it stands in the agent's command line.
type Script struct {
	// Name is the template's name for it.
	Name string `json:"name"`
	// From is its file in the directory of the scripts.
	From string `json:"from"`
	// At is AtStart, AtStop or AtSchedule.
	At string `json:"at"`
	// Schedule is when a script of AtSchedule runs; see ParseSchedule.
	Schedule string `json:"schedule,omitempty"`
	// Blocks has the agent be ready only when this script of AtStart has ended, whatever its end is.
	Blocks bool `json:"blocks,omitempty"`
	// Timeout is how long it may take, in nanoseconds; 0 sets no limit.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Log is the file that gets its output too: an absolute path, or one from the home directory. Empty: a file of the agent's.
	Log string `json:"log,omitempty"`
}

// Format writes scripts as Parse reads them.
func Format(all []Script) (string, error) {
	text, err := json.Marshal(all)
	return string(text), err
}

// Parse reads the scripts of an agent's command line.
func Parse(text string) ([]Script, error) {
	var all []Script
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("--scripts: %w", err)
	}
	for _, s := range all {
		if s.Name == "" || s.From == "" || s.Timeout < 0 {
			return nil, fmt.Errorf("--scripts: each needs a name, a file that it is from, and no negative timeout, not %+v", s)
		}
		switch s.At {
		case AtStart, AtStop:
		case AtSchedule:
			if _, err := ParseSchedule(s.Schedule); err != nil {
				return nil, fmt.Errorf("--scripts: script %q: %w", s.Name, err)
			}
		default:
			return nil, fmt.Errorf("--scripts: script %q runs at %q, which is none of %s, %s and %s", s.Name, s.At, AtStart, AtStop, AtSchedule)
		}
	}
	return all, nil
}

var errSchedule = errors.New("must be a cron expression of six fields, seconds first, such as \"0 30 9 * * 1-5\"")

// ParseSchedule reads a cron expression of six fields, seconds first. It goes by the clock and the zone of the machine that
// it is read on.
func ParseSchedule(text string) (cron.Schedule, error) {
	// The library would take a zone from the text, and panics on some.
	if strings.Contains(text, "=") || len(strings.Fields(text)) != 6 {
		return nil, errSchedule
	}
	line, err := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSchedule, err)
	}
	return line, nil
}
