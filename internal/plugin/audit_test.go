// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/berth-dev/berth/api/codersdk"
)

func TestAuditSearch(t *testing.T) {
	for name, c := range map[string]struct {
		query   string
		args    []string
		want    string
		wantErr bool
	}{
		"nothing":             {"", nil, "", false},
		"a search":            {"action:delete", nil, "action:delete", false},
		"a resource":          {"", []string{"template/go-dev"}, `resource_type:template resource_target:"go-dev"`, false},
		"both":                {"username:ada", []string{"workspace/dev"}, `resource_type:workspace resource_target:"dev" username:ada`, false},
		"no type":             {"", []string{"go-dev"}, "", true},
		"no name":             {"", []string{"template/"}, "", true},
		"a name with a quote": {"", []string{`template/x" action:delete`}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			have, err := auditSearch(c.query, c.args)
			if have != c.want || (err != nil) != c.wantErr {
				t.Errorf("%q, %v", have, err)
			}
		})
	}
}

func TestAuditTable(t *testing.T) {
	at := time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC)
	entries := []codersdk.AuditLog{
		{Time: at, User: &codersdk.User{Username: "ada"}, ResourceTarget: "dev", Description: "{user} updated workspace {target}", StatusCode: 204, IP: "192.0.2.1",
			Diff: codersdk.AuditDiff{"autostop.after": {New: "2h"}, "name": {New: "dev"}}},
		{Time: at.Add(-time.Hour), ResourceTarget: "go-dev", Description: "kubectl-edit updated template {target}", StatusCode: 200},
		{Time: at.Add(-48 * time.Hour), Description: "{user} logged in", StatusCode: 201},
	}
	var out, errOut bytes.Buffer
	s := &session{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errOut}, now: func() time.Time { return at }}
	if err := s.printAudit(younger(entries, at.Add(-24*time.Hour)), 3, output{}); err != nil {
		t.Fatal(err)
	}
	want := "TIME                   WHAT                                   STATUS   FROM\n" +
		"2026-11-23T14:00:00Z   ada updated workspace dev              204      192.0.2.1\n" +
		"2026-11-23T13:00:00Z   kubectl-edit updated template go-dev   200      -\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +have):\n%s", diff)
	}
	out.Reset()
	if err := s.printAudit(entries, 3, output{form: "wide"}); err != nil || !strings.Contains(out.String(), "autostop.after, name") {
		t.Errorf("%v:\n%s", err, out.String())
	}
	out.Reset()
	if err := s.printAudit(nil, 0, output{}); err != nil || out.Len() > 0 || errOut.Len() == 0 {
		t.Errorf("%v: %q, %q", err, out.String(), errOut.String())
	}
}
