// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Mishap is what may become of a write to the kube-apiserver.
type Mishap struct {
	Name string
	// Committed is true when the write is carried out and only its answer is lost.
	Committed bool
	// Status is the kube-apiserver's answer; 0 where the process ends with the write, and none of its requests gets through
	// any more.
	Status int
	// Reason goes with the status.
	Reason metav1.StatusReason
}

// Mishaps are all that may.
func Mishaps() []Mishap {
	return []Mishap{
		{Name: "409", Status: http.StatusConflict, Reason: metav1.StatusReasonConflict},
		{Name: "429", Status: http.StatusTooManyRequests, Reason: metav1.StatusReasonTooManyRequests},
		{Name: "500", Status: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError},
		{Name: "a timeout after it was carried out", Committed: true, Status: http.StatusGatewayTimeout, Reason: metav1.StatusReasonTimeout},
		{Name: "a death before it"},
		{Name: "a death after it", Committed: true},
	}
}

var errDead = errors.New("the process is dead")

// Luckless is a way to the kube-apiserver on which every other write of the same meets the mishap: what is sent again goes
// well.
type Luckless struct {
	Mishap Mishap
	// Parity is that of the writes that meet it, 0 or 1; none is hit by any other.
	Parity int
	// Nth has one write meet it alone, the first being 1; Parity does not count then.
	Nth int
	// Only narrows what is hit to paths that end so.
	Only string

	next   http.RoundTripper
	mu     sync.Mutex
	writes map[string]int // by what they write
	sent   int            // all of them
	met    []string
	dead   bool
}

// Wrap puts it into a way to the kube-apiserver.
func (l *Luckless) Wrap(next http.RoundTripper) http.RoundTripper {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next == nil {
		l.next = next
	}
	return l
}

// Arm has the nth write from now on meet a mishap, and forgets what was.
func (l *Luckless) Arm(m Mishap, nth int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Mishap, l.Nth, l.sent, l.met, l.dead = m, nth, 0, nil, false
}

// Met are the writes that were hit.
func (l *Luckless) Met() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.met)
}

// RoundTrip sends a request, or has it fail.
func (l *Luckless) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	mishap := l.Mishap
	if l.dead {
		l.mu.Unlock()
		return nil, errDead
	}
	hit := false
	if r.Method != http.MethodGet {
		what := r.Method + " " + r.URL.Path
		if l.writes == nil {
			l.writes = map[string]int{}
		}
		l.writes[what]++
		l.sent++
		if hit = l.strikes(what); hit {
			l.met = append(l.met, what)
			l.dead = l.Mishap.Status == 0 && !l.Mishap.Committed
		}
	}
	l.mu.Unlock()
	if !hit {
		return l.next.RoundTrip(r)
	}
	if mishap.Committed {
		answer, err := l.next.RoundTrip(r)
		if err != nil || answer.StatusCode >= 300 {
			return answer, err
		}
		_ = answer.Body.Close()
	}
	if mishap.Status == 0 {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.dead = true
		return nil, errDead
	}
	body, err := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure,
		Code: int32(mishap.Status), Reason: mishap.Reason, Message: mishap.Name,
	})
	return &http.Response{
		Status: http.StatusText(mishap.Status), StatusCode: mishap.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)),
	}, err
}

// strikes tells whether the present write meets the mishap.
func (l *Luckless) strikes(what string) bool {
	if l.Nth > 0 {
		return l.sent == l.Nth
	}
	return l.writes[what]%2 == l.Parity && strings.HasSuffix(what, l.Only)
}

// Struck is how often something was hit; whoever was dead lives again.
func (l *Luckless) Struck() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = false
	return len(l.met)
}
