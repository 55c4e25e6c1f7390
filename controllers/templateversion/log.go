// SPDX-License-Identifier: Apache-2.0

package templateversion

import (
	"fmt"
	"strings"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/joblog"
	"github.com/berth-dev/berth/internal/render"
)

// The stages of a check, as its log shows them.
const (
	stageParsing   = "Parsing template"
	stageChecking  = "Checking expressions"
	stageRendering = "Rendering"
	stageDryRun    = "Dry run against the cluster"
)

// say adds a line to the log of the check. A check that is made anew at another Pod Security level tells its story again.
func (s *scope) say(stage, level, cause, format string, args ...any) {
	e := joblog.Entryf(s.now, stage, s.level+"/"+cause, format, args...)
	e.Level = level
	s.told = append(s.told, e)
}

// sayParsed tells where the content came from, and what was left out of it.
func (s *scope) sayParsed() {
	source := s.version.Spec.Source
	if source == nil {
		from := "a manifest"
		if ref := s.version.Spec.TemplateRef; ref != nil {
			from = "Template " + string(ref.Name)
		}
		s.say(stageParsing, v1alpha1.LogInfo, "parsed", "the content is that of %s", from)
		return
	}
	s.say(stageParsing, v1alpha1.LogInfo, "parsed", "archive %s was read", source.File)
	for _, note := range source.Notes {
		s.say(stageParsing, v1alpha1.LogWarn, "note/"+note, "%s", note)
	}
}

// sayRendered tells what a workspace consists of.
func (s *scope) sayRendered(workload *render.Workload, placeholders []string) {
	containers := make([]string, 0, len(workload.Pod.Spec.Containers))
	for _, c := range workload.Pod.Spec.Containers {
		containers = append(containers, c.Name)
	}
	what := "a pod with " + count(len(containers), "container") + " (" + strings.Join(containers, ", ") + ")"
	if n := len(workload.Claims); n > 0 {
		what += ", " + count(n, "volume claim")
	}
	if n := len(workload.Extras); n > 0 {
		what += ", " + count(n, "extra object")
	}
	s.say(stageRendering, v1alpha1.LogInfo, "rendered", "rendered with the defaults: %s", what)
	if len(placeholders) > 0 {
		s.say(stageRendering, v1alpha1.LogWarn, "placeholders", "values were made up for %s, which have no default", strings.Join(placeholders, ", "))
	}
}

// sayEnded tells how the check ended.
func (s *scope) sayEnded() {
	if s.found.refusal == nil {
		s.say(stageDryRun, v1alpha1.LogInfo, "ended", "%s", s.found.note)
	} else {
		for _, text := range sentences(s.found.refusal) {
			s.say(stageOf(s.found.refusal.Reason), v1alpha1.LogError, "wrong/"+text, "%s", text)
		}
	}
	s.told[len(s.told)-1].Last = true
}

// sentences are a refusal's, a line each.
func sentences(refusal *fault.Error) []string {
	if len(refusal.Fields) == 0 {
		return []string{refusal.Message}
	}
	var lines []string
	for _, f := range refusal.Fields {
		lines = append(lines, f.Path+": "+f.Detail)
	}
	return lines
}

// stageOf is the stage in which a refusal of the reason is found.
func stageOf(reason string) string {
	switch reason {
	case v1alpha1.ReasonSourceInvalid, v1alpha1.ReasonCanceled:
		return stageParsing
	case v1alpha1.ReasonExpressionInvalid, v1alpha1.ReasonParameterInvalid, v1alpha1.ReasonVariableMissing:
		return stageChecking
	}
	return stageDryRun
}

func count(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
