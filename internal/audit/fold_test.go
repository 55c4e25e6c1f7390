// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/audit"
)

func TestFold(t *testing.T) {
	now := began
	f := audit.NewFold(func() time.Time { return now })
	refused := func(n int) *audit.Entry { return entry(n, func(e *audit.Entry) { e.Status = 403 }) }
	if !f.Take(refused(1)) {
		t.Fatal("the first has no entry")
	}
	for range 41 {
		if f.Take(refused(1)) {
			t.Fatal("one more that is alike has an entry")
		}
	}
	if !f.Take(refused(2)) {
		t.Error("another person's has none")
	}
	if due := f.Due(false); len(due) != 0 {
		t.Errorf("%d are due too early", len(due))
	}
	now = now.Add(time.Minute)
	due := f.Due(false)
	if len(due) != 1 || due[0].Additional.Attempts != 41 || due[0].Actor.Username != "user1" || due[0].ID == refused(1).ID {
		t.Fatalf("due are %+v", due)
	}
	if !f.Take(refused(1)) {
		t.Error("a minute later the first has no entry")
	}
}

// A stranger with a script, however many names and addresses it has, makes a bounded number of entries, and every attempt
// is counted.
func TestFoldIsBounded(t *testing.T) {
	now := began
	f := audit.NewFold(func() time.Time { return now })
	own, attempts := 0, 20_000
	for i := range attempts {
		e := entry(i, func(e *audit.Entry) {
			e.Actor, e.Action, e.Status = nil, codersdk.AuditActionLogin, 401
			e.IP, e.Resource.ID = fmt.Sprintf("10.%d.%d.1", i%200, i/200), uuid.New()
		})
		if f.Take(e) {
			own++
		}
	}
	if own > 200 {
		t.Errorf("%d entries at once", own)
	}
	counted := own
	due := f.Due(true)
	for _, e := range due {
		counted += e.Additional.Attempts
	}
	if counted != attempts || len(due) > 200 {
		t.Errorf("%d of %d attempts are accounted for, by %d entries", counted, attempts, own+len(due))
	}
}

func TestOneLineOfVersion6IsOneParty(t *testing.T) {
	f := audit.NewFold(func() time.Time { return began })
	from := func(ip string) bool {
		return f.Take(entry(1, func(e *audit.Entry) { e.Actor, e.IP, e.Status = nil, ip, 401 }))
	}
	if !from("2001:db8::1") || from("2001:db8::2") || !from("2001:db8:0:1::1") {
		t.Error("addresses of one line are told apart, or neighbours are not")
	}
}
