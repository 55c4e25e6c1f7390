// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/berth-dev/berth/api/codersdk"
)

// A workspace is one row, whoever told of it.
func TestRowsOfTheAPI(t *testing.T) {
	deadline := time.Date(2026, 11, 23, 18, 12, 0, 0, time.UTC)
	w := codersdk.Workspace{ID: uuid.New(), OwnerName: "ada", Name: "api", TemplateName: "go-dev", Outdated: true}
	w.LatestBuild.Status = codersdk.WorkspaceStatusRunning
	w.LatestBuild.TemplateVersionName = "go-dev-7c9f2a"
	w.LatestBuild.Deadline.Time = deadline
	want := row{Owner: "ada", Name: "api", Template: "go-dev", Version: "go-dev-7c9f2a", State: "Running", Update: true, StopsAt: &deadline}
	if diff := cmp.Diff(want, ofWire(w)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := ofWire(codersdk.Workspace{}); got.State != "" || got.StopsAt != nil {
		t.Errorf("%+v", got)
	}
}

func TestTables(t *testing.T) {
	at := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	stops := at.Add(4*time.Hour + 12*time.Minute)
	rows := []row{
		{Owner: "ada", Name: "api", Namespace: "platform", Object: "ada-api", Template: "go-dev", State: "Running", Reason: "AgentReady", Update: true, StopsAt: &stops},
		{Owner: "ada", Name: "web", Template: "go-dev", State: "Stopped", Message: "two\nlines\tand a tab"},
	}
	var out, errOut bytes.Buffer
	s := &session{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}, now: func() time.Time { return at }}
	if err := s.printRows(rows, output{}); err != nil {
		t.Fatal(err)
	}
	want := "OWNER   NAME   TEMPLATE   STATE     REASON       UPDATE    STOPS IN\n" +
		"ada     api    go-dev     Running   AgentReady   pending   4h 12m\n" +
		"ada     web    go-dev     Stopped   -            -         -\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out.Reset()
	if err := s.printRows(rows, output{form: "wide"}); err != nil || !strings.Contains(out.String(), "two lines and a tab\n") {
		t.Errorf("%v:\n%s", err, out.String())
	}
	out.Reset()
	if err := s.printRows(nil, output{}); err != nil || out.Len() > 0 || !strings.Contains(errOut.String(), "kubectl berth create") {
		t.Errorf("%v: %q, %q", err, out.String(), errOut.String())
	}
}
