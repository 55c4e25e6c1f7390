// SPDX-License-Identifier: Apache-2.0

package records

import (
	"errors"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Small objects become one, at whatever call the process dies: no line is ever lost, and the next process ends it.
func TestMergeLosesNothingWhereverItDies(t *testing.T) {
	const n = mergeAt
	for dies := 0; ; dies += 3 {
		kept := newShelf()
		s := series(kept)
		stop := runs(t, s)
		fill(t, s, n)
		calls := 0
		var when string
		kept.fail = func(verb, name string) (error, bool) {
			if calls++; calls > dies {
				if when == "" {
					when = verb + " " + name
				}
				return errors.New("died"), calls == dies+1 && verb != "get"
			}
			return nil, true
		}
		err := s.Tidy(t.Context())
		kept.fail = nil
		stop()
		if have := len(kept.lines(t)); have != n {
			t.Fatalf("%d lines after it died at %s, want %d", have, when, n)
		}
		// Another process hears of what is there, and goes on when it is old enough.
		next := series(kept, func(o *Options) { o.Now = func() time.Time { return noon.Add(20 * time.Minute) } })
		for _, secret := range kept.secrets {
			lines, _ := unpack(secret)
			next.noted(secret, lines)
		}
		if err := next.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if have := len(kept.lines(t)); have != n {
			t.Fatalf("%d lines after the next process tidied, want %d", have, n)
		}
		if err == nil {
			if have := kept.names(); len(have) != 1 {
				t.Errorf("undisturbed, it leaves %d objects", len(have))
			}
			return
		}
	}
}

func TestTwoProcessesMergeAtOnce(t *testing.T) {
	kept := newShelf()
	late := func(o *Options) { o.Now = func() time.Time { return noon.Add(20 * time.Minute) } }
	first := series(kept)
	stop := runs(t, first)
	fill(t, first, mergeAt)
	stop()
	a, b := series(kept, late), series(kept, late)
	for _, secret := range kept.secrets {
		lines, _ := unpack(secret)
		a.noted(secret, lines)
		b.noted(secret, lines)
	}
	var both sync.WaitGroup
	for _, s := range []*Series{a, b} {
		both.Go(func() {
			if err := s.Tidy(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if have := kept.lines(t); len(have) != mergeAt || len(kept.names()) != 1 {
		t.Errorf("%d lines in %v", len(have), kept.names())
	}
}

func TestQuietSeriesAsksNothing(t *testing.T) {
	kept := newShelf()
	s := series(kept)
	stop := runs(t, s)
	fill(t, s, mergeAt-1)
	stop()
	kept.fail = func(verb, name string) (error, bool) {
		t.Errorf("%s %s", verb, name)
		return nil, true
	}
	if err := s.Tidy(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestExpired(t *testing.T) {
	object := func(name string, size int, age time.Duration) kept {
		return kept{name: name, size: size, last: noon.Add(-age)}
	}
	all := []kept{object("a", 10, 3*time.Hour), object("b", 10, 2*time.Hour), object("c", 10, time.Minute), object("d", 10, 0)}
	for name, c := range map[string]struct {
		age  time.Duration
		size int
		want string
	}{
		"all are young and few":   {4 * time.Hour, 40, ""},
		"one is too old":          {2 * time.Hour, 40, "a"},
		"two are too old":         {time.Hour, 40, "ab"},
		"the oldest are too much": {4 * time.Hour, 25, "ab"},
		"both":                    {2 * time.Hour, 10, "abc"},
	} {
		t.Run(name, func(t *testing.T) {
			have := ""
			for _, k := range expired(all, noon, c.age, c.size) {
				have += k.name
			}
			if have != c.want {
				t.Errorf("%q go, want %q", have, c.want)
			}
		})
	}
}

// V59: what does not unpack to a bounded size is not unpacked.
func TestAdvisory_V59_UnpackIsBounded(t *testing.T) {
	bomb, err := pack("n", "audit", "bomb", [][]byte{make([]byte, maxUnpacked+1)}, noon, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unpack(bomb); err == nil {
		t.Error("it is unpacked")
	}
	for _, data := range [][]byte{nil, []byte("x"), bomb.Data[payload][:100]} {
		if _, err := unpack(&corev1.Secret{Data: map[string][]byte{payload: data}}); err == nil {
			t.Errorf("%d bytes of rubbish are lines", len(data))
		}
	}
}
