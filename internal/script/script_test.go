// SPDX-License-Identifier: Apache-2.0

package script_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/internal/script"
)

func TestScriptsAreReadAsTheyWereWritten(t *testing.T) {
	g := NewWithT(t)
	all := []script.Script{
		{Name: "clone", From: "0", At: script.AtStart, Blocks: true, Timeout: time.Minute, Log: "~/clone.log"},
		{Name: "tick", From: "1", At: script.AtSchedule, Schedule: "*/5 * * * * *"},
		{Name: "bye", From: "2", At: script.AtStop},
	}
	text, err := script.Format(all)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(script.Parse(text)).To(Equal(all))
}

func TestParseRefuses(t *testing.T) {
	for what, text := range map[string]string{
		"no list":            `{}`,
		"no name":            `[{"from": "0", "at": "Start"}]`,
		"no file":            `[{"name": "a", "at": "Start"}]`,
		"no time":            `[{"name": "a", "from": "0"}]`,
		"another time":       `[{"name": "a", "from": "0", "at": "Noon"}]`,
		"a negative timeout": `[{"name": "a", "from": "0", "at": "Start", "timeout": -1}]`,
		"no schedule":        `[{"name": "a", "from": "0", "at": "Schedule"}]`,
	} {
		_, err := script.Parse(text)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("--scripts")), what)
	}
}

func TestParseSchedule(t *testing.T) {
	for text, good := range map[string]bool{
		"0 30 9 * * 1-5": true, "*/10 * * * * *": true, "0 0 0 1 1 *": true,
		"":                              false,
		"30 9 * * 1-5":                  false, // five fields
		"0 0 0 0 0 0 0":                 false,
		"60 * * * * *":                  false,
		"@hourly":                       false,
		"TZ=":                           false, // the cron library panics on it
		"TZ=Europe/Zurich 0 30 9 * * *": false,
	} {
		_, err := script.ParseSchedule(text)
		NewWithT(t).Expect(err == nil).To(Equal(good), "%q: %v", text, err)
	}
}
