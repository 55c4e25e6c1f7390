// SPDX-License-Identifier: Apache-2.0

package activity_test

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/activity"
)

// A record counts what a plain list of marks would, whatever their order, and so does what was stored and read again.
func TestRecordCountsAsAListDoes(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	today := activity.On(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	for range 50 {
		r := &activity.Record{}
		marked := map[activity.Day]map[uuid.UUID]bool{}
		now := today
		for range 200 {
			now += activity.Day(random.IntN(3))
			person, day := activity.Person(strconv.Itoa(random.IntN(12))), now-activity.Day(random.IntN(80))
			if marked[day] == nil {
				marked[day] = map[uuid.UUID]bool{}
			}
			news := now-day < activity.Kept && !marked[day][person]
			if got := r.Mark(person, day, now); got != news {
				t.Fatalf("seed %d: marking %d days ago: news %v, want %v", seed, now-day, got, news)
			}
			if now-day < activity.Kept {
				marked[day][person] = true
			}
		}
		again, err := activity.Decode(r.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Encode(), r.Encode()) {
			t.Fatal("another form when stored again")
		}
		for _, r := range []*activity.Record{r, again} {
			lately := map[uuid.UUID]bool{}
			for ago := range activity.Day(activity.Kept) {
				day := now - ago
				if got := r.On(day); got != len(marked[day]) {
					t.Fatalf("seed %d: %d people %d days ago, want %d", seed, got, ago, len(marked[day]))
				}
				for person := range marked[day] {
					lately[person] = true
				}
				if got := r.Active(now, int(ago)+1); got != len(lately) {
					t.Fatalf("seed %d: %d people in %d days, want %d", seed, got, ago+1, len(lately))
				}
			}
		}
	}
}

func TestRecordIsBounded(t *testing.T) {
	r := &activity.Record{}
	if r.Mark(activity.Person("ada"), 11, 10) {
		t.Error("tomorrow has been")
	}
	for i := range activity.MaxPeople {
		r.Mark(activity.Person(strconv.Itoa(i)), activity.Day(100+i%2), 101)
	}
	r.Mark(activity.Person("late"), 101, 101)
	if got := r.Active(101, activity.Kept); got != activity.MaxPeople {
		t.Errorf("%d people", got)
	}
	if size := len(r.Encode()); size > 500_000 {
		t.Errorf("%d bytes", size)
	}
	if got := r.On(101); got != activity.MaxPeople/2+1 {
		t.Errorf("%d today: the one who was there longest ago should have gone", got)
	}
	if got := r.Active(101+activity.Kept, activity.Kept); got != 0 {
		t.Errorf("%d people of long ago", got)
	}
}

func TestDaysAreUTC(t *testing.T) {
	for text, want := range map[string]string{
		"2026-03-01T00:00:00Z":      "2026-03-01T00:00:00Z",
		"2026-03-01T23:59:59Z":      "2026-03-01T00:00:00Z",
		"2026-03-01T00:30:00+01:00": "2026-02-28T00:00:00Z",
		"1969-12-31T23:00:00Z":      "1969-12-31T00:00:00Z",
	} {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := activity.On(at).Start().Format(time.RFC3339); got != want {
			t.Errorf("%s is on %s, want %s", text, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	r := &activity.Record{}
	r.Mark(activity.Person("ada"), 20_000, 20_000)
	f.Add(r.Encode())
	f.Add([]byte{})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := activity.Decode(data)
		if err != nil {
			return
		}
		r.On(20_000)
		r.Active(20_000, activity.Window)
		r.Mark(activity.Person("ada"), 20_000, 20_000)
		if _, err := activity.Decode(r.Encode()); err != nil {
			t.Error(err)
		}
	})
}
