// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestSoOftenInAWindowAndNoOftener(t *testing.T) {
	now := time.Unix(1_800_000_000, 0).Truncate(time.Minute).Add(10 * time.Second)
	l := New[string](time.Minute, 10, func() time.Time { return now })
	for i := range 5 {
		v := l.Take("ada", 5)
		if v.Wait != 0 || v.Remaining != 4-i || v.Limit != 5 || !v.Reset.Equal(now.Truncate(time.Minute).Add(time.Minute)) {
			t.Fatalf("time %d: %+v", i, v)
		}
	}
	refused := l.Take("ada", 5)
	if refused.Wait <= 0 || refused.Remaining != 0 {
		t.Fatalf("a sixth: %+v", refused)
	}
	if again := l.Take("ada", 5); again.Wait != refused.Wait {
		t.Errorf("a seventh waits %s, and the sixth %s: what is refused is counted", again.Wait, refused.Wait)
	}
	if v := l.Take("joan", 5); v.Wait != 0 {
		t.Errorf("somebody else waits %s", v.Wait)
	}
	now = now.Add(refused.Wait - 1)
	if v := l.Take("ada", 5); v.Wait == 0 {
		t.Error("a moment too early it goes on")
	}
	now = now.Add(1)
	if v := l.Take("ada", 5); v.Wait != 0 {
		t.Errorf("after the wait that was told there is one more of %s", v.Wait)
	}
	if v := l.Take("ada", 5); v.Wait == 0 {
		t.Error("two at once: the window before counts for nothing")
	}
	now = now.Add(2 * time.Minute)
	if v := l.Take("ada", 5); v.Remaining != 4 {
		t.Errorf("two windows later %d remain, want 4", v.Remaining)
	}
}

// Whoever waits as long as is told is let in, at whatever moment and whatever was before.
func TestTheWaitIsEnough(t *testing.T) {
	start := time.Unix(1_800_000_000, 0).Truncate(time.Minute)
	for _, limit := range []int{1, 2, 7, 60, 512} {
		now := start
		l := New[int](time.Minute, 10, func() time.Time { return now })
		served := []time.Time{}
		for range 4 * limit {
			v := l.Take(0, limit)
			if v.Wait > 0 {
				now = now.Add(v.Wait)
				if v := l.Take(0, limit); v.Wait > 0 {
					t.Fatalf("limit %d: after the wait there is another of %s", limit, v.Wait)
				}
			}
			served = append(served, now)
			now = now.Add(time.Millisecond)
		}
		for i := limit; i < len(served); i++ {
			// A counter that slides by shares may be wrong by a part of a window, never by a whole one.
			if n := i - 2*limit; n >= 0 && served[i].Sub(served[n]) < time.Minute {
				t.Errorf("limit %d: %d times in less than a minute", limit, 2*limit)
			}
		}
	}
}

func TestForgive(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := New[string](time.Minute, 10, func() time.Time { return now })
	for range 20 {
		if v := l.Take("ada", 2); v.Wait != 0 {
			t.Fatal("what was forgiven counts")
		}
		l.Forgive("ada")
	}
	l.Forgive("ada")
	l.Forgive("nobody")
	l.Take("ada", 2)
	l.Take("ada", 2)
	if v := l.Take("ada", 2); v.Wait == 0 {
		t.Error("forgiving more often than there was something gives more")
	}
}

// A million addresses cost what is said and no more.
func TestAdvisory_V55_AMillionKeysCostABoundedTable(t *testing.T) {
	const keys = 10_000
	l := New[[16]byte](time.Minute, keys, time.Now)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var work sync.WaitGroup
	for part := range 4 {
		work.Go(func() {
			for i := range 250_000 {
				l.Take([16]byte{byte(part), byte(i >> 16), byte(i >> 8), byte(i)}, 5)
			}
		})
	}
	work.Wait()
	if n := l.seen.Len(); n != keys {
		t.Errorf("%d keys are remembered, want %d", n, keys)
	}
	if grown := int64(heap()) - int64(before); grown > 16<<20 {
		t.Errorf("it keeps %d bytes", grown)
	}
	runtime.KeepAlive(l)
}
