// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

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

// A query goes to the API server as it was typed, page by page, and what that says of a wrong one is said to the person.
func TestQuery(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.URL.Query().Get("q")+" "+r.URL.Query().Get("offset"))
		w.Header().Set("Content-Type", "application/json")
		if strings.Contains(r.URL.Query().Get("q"), "colour:") {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(codersdk.Response{Message: "Invalid workspace search query.",
				Validations: []codersdk.ValidationError{{Field: "colour", Detail: "is not a valid query param"}}})
			return
		}
		_ = json.NewEncoder(w).Encode(codersdk.WorkspacesResponse{Count: 2, Workspaces: []codersdk.Workspace{{OwnerName: "ada", Name: "api"}}})
	}))
	defer server.Close()
	c := &connection{config: &rest.Config{Host: server.URL}}
	namespace := ""
	s := &session{flags: &genericclioptions.ConfigFlags{Namespace: &namespace}}

	rows, err := s.rows(t.Context(), c, false, `owner:me template:"go dev"`)
	if err != nil || len(rows) != 2 {
		t.Errorf("%v, %v", rows, err)
	}
	want := []string{door + `workspaces owner:me template:"go dev" 0`, door + `workspaces owner:me template:"go dev" 1`}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = s.rows(t.Context(), c, false, "colour:red")
	var f *failure
	if !errors.As(err, &f) || f.code != exitFailed || f.text != "Invalid workspace search query. colour: is not a valid query param" {
		t.Errorf("%#v", err)
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
