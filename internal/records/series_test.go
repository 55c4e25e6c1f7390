// SPDX-License-Identifier: Apache-2.0

package records

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// shelf is a cluster that takes Secrets and nothing else, and fails as it is told.
type shelf struct {
	mu      sync.Mutex
	secrets map[string]*corev1.Secret
	created int
	// fail gives the error of a call, and whether it is carried out all the same.
	fail func(verb, name string) (err error, done bool)
}

var secretKind = schema.GroupResource{Resource: "secrets"}

func newShelf() *shelf { return &shelf{secrets: map[string]*corev1.Secret{}} }

func (s *shelf) failing(verb, name string) (error, bool) {
	if s.fail == nil {
		return nil, true
	}
	return s.fail(verb, name)
}

func (s *shelf) Create(_ context.Context, o client.Object, _ ...client.CreateOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err, done := s.failing("create", o.GetName())
	if done {
		if s.secrets[o.GetName()] != nil {
			return apierrors.NewAlreadyExists(secretKind, o.GetName())
		}
		s.created++
		o.SetUID(types.UID(fmt.Sprintf("uid-%d", s.created)))
		o.SetCreationTimestamp(metav1.NewTime(noon))
		secret, _ := o.(*corev1.Secret)
		s.secrets[o.GetName()] = secret.DeepCopy()
	}
	return err
}

func (s *shelf) Get(_ context.Context, key client.ObjectKey, o client.Object, _ ...client.GetOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err, _ := s.failing("get", key.Name); err != nil {
		return err
	}
	kept := s.secrets[key.Name]
	if kept == nil {
		return apierrors.NewNotFound(secretKind, key.Name)
	}
	secret, _ := o.(*corev1.Secret)
	kept.DeepCopyInto(secret)
	return nil
}

func (s *shelf) Delete(_ context.Context, o client.Object, _ ...client.DeleteOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err, done := s.failing("delete", o.GetName())
	if done {
		delete(s.secrets, o.GetName())
	}
	return err
}

// lines are how often each line is stored.
func (s *shelf) lines(t *testing.T) map[string]int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string]int{}
	for _, secret := range s.secrets {
		all, err := unpack(secret)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range all {
			found[string(line)]++
		}
	}
	return found
}

func (s *shelf) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.secrets))
}

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func series(s *shelf, change ...func(*Options)) *Series {
	o := Options{Name: "audit", Cluster: s, Namespace: "berth-system", MaxAge: time.Hour, MaxBytes: 1 << 20, Now: func() time.Time { return noon },
		Stored: func(string, [][]byte) {}, Gone: func(string) {}, Failed: func(error) {}}
	for _, f := range change {
		f(&o)
	}
	return New(o)
}

// runs runs the series until the test ends, or until stop is called, which waits for its end.
func runs(t *testing.T, s *Series) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func line(n int) Line { return Line{At: noon, Data: fmt.Appendf(nil, `{"n":%d}`, n)} }

// 50 writers at once: every line is stored once before its writer hears so, in far fewer objects than lines.
func TestWritersShareObjects(t *testing.T) {
	kept := newShelf()
	s := series(kept)
	defer runs(t, s)()
	var all sync.WaitGroup
	for w := range 50 {
		all.Go(func() {
			for n := range 4 {
				l := line(w*1000 + n)
				if err := s.Write(l); err != nil {
					t.Error(err)
				}
				if kept.lines(t)[string(l.Data)] != 1 {
					t.Errorf("%s is not stored when its writer goes on", l.Data)
				}
			}
		})
	}
	all.Wait()
	found := kept.lines(t)
	if len(found) != 200 || len(kept.names()) > 100 {
		t.Errorf("%d lines in %d objects", len(found), len(kept.names()))
	}
	for _, secret := range kept.secrets {
		if secret.Type != Type || secret.Labels[Label] != "audit" || secret.Immutable == nil || !*secret.Immutable {
			t.Fatalf("%s is %s, %v", secret.Name, secret.Type, secret.Labels)
		}
	}
}

// What was written when the process is told to end is stored, and nobody waits for ever.
func TestEndLosesNothing(t *testing.T) {
	kept := newShelf()
	s := series(kept)
	stop := runs(t, s)
	var all sync.WaitGroup
	var mu sync.Mutex
	told := map[string]bool{}
	for n := range 500 {
		all.Go(func() {
			l := line(n)
			if err := s.Write(l); err == nil {
				mu.Lock()
				told[string(l.Data)] = true
				mu.Unlock()
			}
		})
		if n == 250 {
			all.Go(stop)
		}
	}
	all.Wait()
	found := kept.lines(t)
	for l := range told {
		if found[l] != 1 {
			t.Errorf("%s is stored %d times, and its writer was told so", l, found[l])
		}
	}
	if err := s.Write(line(9999)); err == nil {
		t.Error("a series that has ended takes lines")
	}
}

func TestFaultsOfTheCluster(t *testing.T) {
	status := func(code int32, reason metav1.StatusReason) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Reason: reason}}
	}
	for name, c := range map[string]struct {
		err     error
		done    bool // the call is carried out, and its answer is lost
		wantErr bool
	}{
		"too many requests":      {status(429, metav1.StatusReasonTooManyRequests), false, false},
		"an internal error":      {status(500, metav1.StatusReasonInternalError), false, false},
		"a timeout after it":     {status(504, metav1.StatusReasonTimeout), true, false},
		"a connection that went": {errors.New("read: connection reset"), true, false},
		"no room":                {status(403, metav1.StatusReasonForbidden), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			kept := newShelf()
			broken := true
			kept.fail = func(verb, _ string) (error, bool) {
				if verb != "create" || !broken {
					return nil, true
				}
				broken = false
				return c.err, c.done
			}
			s := series(kept)
			stop := runs(t, s)
			if err := s.Write(line(1)); (err != nil) != c.wantErr {
				t.Errorf("the writer is told %v", err)
			}
			if err := s.Write(line(2)); err != nil {
				t.Error(err)
			}
			stop()
			for l, n := range kept.lines(t) {
				if n != 1 {
					t.Errorf("%s is stored %d times", l, n)
				}
			}
			if have := len(kept.lines(t)); have != 2 {
				t.Errorf("%d lines are stored, want both: one that was refused is tried again", have)
			}
		})
	}
}

func TestFullLogSaysSo(t *testing.T) {
	kept := newShelf()
	kept.fail = func(string, string) (error, bool) {
		return apierrors.NewForbidden(secretKind, "", errors.New("exceeded quota")), false
	}
	given := 0
	s := series(kept, func(o *Options) {
		o.Failed = func(err error) {
			if strings.Contains(err.Error(), "given up") {
				given++
			}
		}
	})
	defer runs(t, s)()
	for round := range 3 {
		var many []Line
		for n := range 5000 {
			many = append(many, line(round*5000+n))
		}
		if err := s.Write(many...); err == nil {
			t.Fatal("nothing is said")
		}
	}
	for s.Ready() == nil { // the last batch is told before it is counted
	}
	if n := s.behind.Load(); n > maxBacklog {
		t.Errorf("%d lines are held", n)
	}
}

// fill stores lines one object each, as they come when nobody writes beside.
func fill(t *testing.T, s *Series, n int) {
	t.Helper()
	for i := range n {
		if err := s.Write(line(i)); err != nil {
			t.Fatal(err)
		}
	}
}
