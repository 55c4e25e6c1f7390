// SPDX-License-Identifier: Apache-2.0

package podtoken_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/berth-dev/berth/internal/fault"
)

// Keys are read when they are needed: once, again for a name that is new but not more often than every ten seconds, and
// every ten minutes, so that a key that was taken away counts no more.
func TestAdvisory_V49_KeysComeAndGo(t *testing.T) {
	first, second := ours(), signer{"k2", jose.RS256, made().other}
	a, v := newAuthority(first)
	verify := func(s signer) error {
		_, err := v.Verify(t.Context(), s.sign(t, claims(set("exp", start.Add(10*time.Hour).Unix())), nil))
		return err
	}
	reads := func() int { n := a.reads / 2; a.reads = 0; return n }
	if err := verify(first); err != nil || reads() != 1 {
		t.Fatal(err)
	}
	a.add(second)
	for range 5 {
		if err := verify(second); !fault.Is(err, fault.Unauthenticated) {
			t.Fatal(err)
		}
	}
	if n := reads(); n != 0 {
		t.Fatalf("%d reads within ten seconds of the last", n)
	}
	a.now = a.now.Add(10 * time.Second)
	if err := verify(second); err != nil || reads() != 1 {
		t.Fatal(err)
	}
	a.keys = a.keys[1:]
	if err := verify(first); err != nil || reads() != 0 {
		t.Fatalf("%v: keys were read again too soon", err)
	}
	a.now = a.now.Add(10 * time.Minute)
	if err := verify(first); !fault.Is(err, fault.Unauthenticated) || reads() != 1 {
		t.Fatalf("%v: a key that was taken away still counts", err)
	}
	// While they can't be read, those that are known go on for an hour; then the cluster is asked.
	a.unreadable = errors.New("no route to host")
	a.now = a.now.Add(59 * time.Minute)
	if err := verify(second); err != nil || a.asked != 0 {
		t.Fatal(err)
	}
	a.now = a.now.Add(2 * time.Minute)
	if err := verify(second); !fault.Is(err, fault.Unauthenticated) || a.asked != 1 {
		t.Fatalf("%v: %d questions", err, a.asked)
	}
}

// Many that come at once while nothing is known share one read.
func TestKeysAreReadOnce(t *testing.T) {
	s := ours()
	a, v := newAuthority(s)
	token := s.sign(t, claims(), nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if a.reads != 2 {
		t.Errorf("%d reads, want the document and the keys once", a.reads)
	}
}

// vouch is a TokenReview that vouches for the good claims.
func vouch(change func(*authenticationv1.TokenReviewStatus)) func(string) (authenticationv1.TokenReviewStatus, error) {
	return func(string) (authenticationv1.TokenReviewStatus, error) {
		s := authenticationv1.TokenReviewStatus{
			Authenticated: true, Audiences: []string{"berth"},
			User: authenticationv1.UserInfo{
				Username: "system:serviceaccount:acme:berth-workspace",
				Extra:    map[string]authenticationv1.ExtraValue{"authentication.kubernetes.io/pod-uid": {"uid-1"}, "authentication.kubernetes.io/pod-name": {"slot"}},
			},
		}
		if change != nil {
			change(&s)
		}
		return s, nil
	}
}

// Where the keys can't be read the cluster is asked, once a token; its word counts only for what it really says.
func TestAdvisory_V49_TheClusterIsAskedOnce(t *testing.T) {
	s := ours()
	token := s.sign(t, claims(), nil)
	for name, change := range map[string]func(*authenticationv1.TokenReviewStatus){
		"not known":        func(s *authenticationv1.TokenReviewStatus) { s.Authenticated = false },
		"no audience":      func(s *authenticationv1.TokenReviewStatus) { s.Audiences = nil },
		"another audience": func(s *authenticationv1.TokenReviewStatus) { s.Audiences = []string{"vault"} },
		"another pod": func(s *authenticationv1.TokenReviewStatus) {
			s.User.Extra["authentication.kubernetes.io/pod-uid"] = []string{"uid-2"}
		},
		"no pod":   func(s *authenticationv1.TokenReviewStatus) { s.User.Extra = nil },
		"a person": func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "alice" },
		"another namespace": func(s *authenticationv1.TokenReviewStatus) {
			s.User.Username = "system:serviceaccount:other:berth-workspace"
		},
		"a namespace that begins": func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "system:serviceaccount:acme2:x" },
	} {
		a, v := newAuthority(s)
		a.unreadable, a.review = errors.New("forbidden"), vouch(change)
		if pod, err := v.Verify(t.Context(), token); !fault.Is(err, fault.Unauthenticated) || pod.UID != "" {
			t.Errorf("%s: %+v, %v", name, pod, err)
		}
	}

	a, v := newAuthority(s)
	a.unreadable, a.review = errors.New("forbidden"), vouch(nil)
	for range 3 {
		if pod, err := v.Verify(t.Context(), token); err != nil || pod.UID != "uid-1" {
			t.Fatalf("%+v, %v", pod, err)
		}
	}
	if a.asked != 1 || a.wantsAudience != "berth" {
		t.Errorf("asked %d times, for the audience %q", a.asked, a.wantsAudience)
	}
	a.now = start.Add(2 * time.Hour)
	if _, err := v.Verify(t.Context(), token); !fault.Is(err, fault.Unauthenticated) || a.asked != 1 {
		t.Errorf("a token that is over: %v, %d questions", err, a.asked)
	}
}

// When the cluster can't be asked either, nothing is said about the token; and strangers can't have us ask without end.
func TestAdvisory_V49_NothingIsKnown(t *testing.T) {
	s := ours()
	a, v := newAuthority(s)
	a.unreadable = errors.New("no route to host")
	a.review = func(string) (authenticationv1.TokenReviewStatus, error) {
		return authenticationv1.TokenReviewStatus{}, errors.New("no route to host")
	}
	for range 200 {
		if _, err := v.Verify(t.Context(), s.sign(t, claims(), nil)); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
	}
	if a.asked > 60 {
		t.Errorf("asked %d times", a.asked)
	}
}
