// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/query"
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// entry is the one of the number: the later, the larger.
func entry(n int, change ...func(*audit.Entry)) *audit.Entry {
	e := &audit.Entry{
		ID: uuid.NewSHA1(uuid.Nil, []byte(strconv.Itoa(n))), Time: began.Add(time.Duration(n) * time.Second), Door: "session",
		Route: "PUT /api/v2/workspaces/{workspace}/ttl", RequestID: uuid.NewSHA1(uuid.Max, []byte(strconv.Itoa(n))), IP: "192.0.2.1",
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
		Action:    codersdk.AuditActionWrite, Status: 204,
		Actor: &codersdk.User{ID: uuid.NewSHA1(uuid.Nil, []byte{byte(n % 200)}), Username: "user" + strconv.Itoa(n%200), Email: fmt.Sprintf("user%d@example.org", n%200)},
		Resource: audit.Resource{Type: codersdk.ResourceTypeWorkspace, ID: uuid.NewSHA1(uuid.Nil, []byte(strconv.Itoa(n%5000))),
			Target: "ws" + strconv.Itoa(n%5000), Organization: "platform"},
		Diff: []byte(`{"autostop.after":{"old":"2h","new":"3h","secret":false}}`),
	}
	for _, f := range change {
		f(e)
	}
	return e
}

func lines(t testing.TB, entries ...*audit.Entry) [][]byte {
	t.Helper()
	all := make([][]byte, 0, len(entries))
	for _, e := range entries {
		line, err := e.Line()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	return all
}

func add(t testing.TB, b *audit.Book, object string, entries ...*audit.Entry) {
	t.Helper()
	if err := b.Add(object, lines(t, entries...)); err != nil {
		t.Fatal(err)
	}
}

// count is how many entries the book has, and that they are in their order.
func count(t *testing.T, b *audit.Book) int {
	t.Helper()
	all, total := b.Find(query.Audit{}, 0, 1<<20)
	for i := 1; i < len(all); i++ {
		if all[i].Time.After(all[i-1].Time) {
			t.Fatalf("entry %d is newer than the one before it", i)
		}
	}
	if len(all) != total {
		t.Fatalf("%d entries of %d", len(all), total)
	}
	return total
}

// While a merge is under way, or after one that died, the same entries stand in several objects.
func TestBookCountsAnEntryOnce(t *testing.T) {
	b := audit.NewBook()
	add(t, b, "one", entry(3), entry(1))
	add(t, b, "two", entry(2), entry(5))
	add(t, b, "two", entry(9)) // immutable: heard of twice
	add(t, b, "merged", entry(1), entry(2), entry(3), entry(4))
	if have := count(t, b); have != 5 {
		t.Fatalf("%d entries, want 5", have)
	}
	b.Remove("one")
	b.Remove("never there")
	if have := count(t, b); have != 5 {
		t.Fatalf("%d entries after the parts are gone, want 5", have)
	}
	b.Remove("two")
	if have := count(t, b); have != 4 {
		t.Fatalf("%d entries, want 4: one stood in what was removed only", have)
	}
	b.Remove("merged")
	if have := count(t, b); have != 0 || !b.Newest().IsZero() {
		t.Fatalf("%d entries stay", have)
	}
}

func TestBookKeepsWhatCanBeRead(t *testing.T) {
	b := audit.NewBook()
	good := lines(t, entry(1), entry(2))
	if err := b.Add("some", [][]byte{good[0], []byte("{"), []byte(`{"id": 7}`), good[1]}); err == nil {
		t.Error("nothing is said of lines that can't be read")
	}
	if have := count(t, b); have != 2 {
		t.Errorf("%d entries, want 2", have)
	}
}

func TestBookAccountsForStates(t *testing.T) {
	b := audit.NewBook()
	of := func(o audit.Object) func(*audit.Entry) { return func(e *audit.Entry) { e.Object = o } }
	add(t, b, "one", entry(1, of(audit.Object{UID: "u", From: 1, To: 2})), entry(2, of(audit.Object{UID: "u", From: 4, To: 4})))
	add(t, b, "two", entry(3, of(audit.Object{UID: "gone", Gone: true})), entry(4, of(audit.Object{UID: "vast", From: 1, To: 1 << 60})))
	for _, c := range []struct {
		uid        types.UID
		generation int64
		want       bool
	}{{"u", 1, true}, {"u", 2, true}, {"u", 3, false}, {"u", 4, true}, {"u", 0, false}, {"gone", 0, true}, {"vast", 1 << 60, true}, {"other", 1, false}} {
		if have := b.Recorded(c.uid, c.generation); have != c.want {
			t.Errorf("%s at %d is recorded: %v, want %v", c.uid, c.generation, have, c.want)
		}
	}
	if b.Latest("u") != 4 || b.Latest("other") != 0 {
		t.Errorf("the latest are %d and %d", b.Latest("u"), b.Latest("other"))
	}
	b.Remove("one")
	if b.Recorded("u", 4) || b.Latest("u") != 0 {
		t.Error("what is gone is accounted for")
	}
}

// Page by page equals the whole list, whatever the order in which objects were heard of.
func TestBookPages(t *testing.T) {
	b := audit.NewBook()
	numbers := rand.Perm(1000)
	for i := 0; i < len(numbers); i += 50 {
		var some []*audit.Entry
		for _, n := range numbers[i : i+50] {
			some = append(some, entry(n))
		}
		add(t, b, strconv.Itoa(i), some...)
	}
	q, err := query.ParseAudit("username:user7 date_from:2026-01-01")
	if err != nil {
		t.Fatal(err)
	}
	whole, total := b.Find(q, 0, 1000)
	if total != 5 {
		t.Fatalf("%d entries, want 5", total)
	}
	for i, want := range whole {
		page, n := b.Find(q, i, 1)
		if n != total || len(page) != 1 || page[0] != want {
			t.Errorf("page %d is %v of %d", i, page, n)
		}
	}
	if page, n := b.Find(q, 5, 1); len(page) != 0 || n != 5 {
		t.Errorf("behind the end are %d of %d", len(page), n)
	}
}

// BenchmarkFind searches 100,000 entries, with the count of all that match, in the ways that look at the most of them.
func BenchmarkFind(b *testing.B) {
	book := audit.NewBook()
	for object := range 100 {
		var some []*audit.Entry
		for n := range 1000 {
			some = append(some, entry(object*1000+n))
		}
		add(b, book, strconv.Itoa(object), some...)
	}
	for _, text := range []string{"", "username:user7", "resource_target:ws4999 action:write", "email:nobody@example.org organization:platform resource_type:workspace"} {
		q, err := query.ParseAudit(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				book.Find(q, 0, 100)
			}
		})
	}
}
