// SPDX-License-Identifier: Apache-2.0

package records

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/internal/fault"
)

const (
	// gatherFor is how long a batch waits for further lines after its first: what an answer waits in addition to the
	// cluster's own time.
	gatherFor = 4 * time.Millisecond
	// maxBacklog is how many lines are held that could not be stored; beyond half of it writers are told so beforehand.
	maxBacklog = 10_000
	// againAfter is how long after a failure the backlog is tried by itself.
	againAfter = 5 * time.Second
	// storeFor is how long the cluster is asked to take a batch, and pause how long between two tries.
	storeFor, pause = 8 * time.Second, 100 * time.Millisecond
)

// errStopped is told to who writes to a series that has ended.
var errStopped = errors.New("the process is stopping")

// Cluster is what a series needs of a client; reading goes past the cache.
type Cluster interface {
	Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error
	Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error
	Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error
}

// Options says what a series is.
type Options struct {
	// Name is a word; it stands in the objects' names.
	Name string
	// Cluster stores objects, in Namespace.
	Cluster   Cluster
	Namespace string
	// MaxAge is how long a line is kept, and MaxBytes how much all objects of the series may take, compressed.
	MaxAge   time.Duration
	MaxBytes int
	// Now tells the time.
	Now func() time.Time
	// Stored is told of every object with its lines, once or more often; Gone when it was removed. They must be quick.
	Stored func(object string, lines [][]byte)
	Gone   func(object string)
	// Failed is told what goes wrong beside a write.
	Failed func(error)
}

// Series is a log of lines. It may be used by many goroutines once Run runs.
type Series struct {
	o       Options
	writer  string
	queue   chan *pending
	ended   chan struct{}
	number  uint64 // of the last batch; the storing goroutine's alone
	backlog []Line // the same
	behind  atomic.Int64

	mu      sync.Mutex
	objects map[string]kept
}

// pending are lines that somebody waits for.
type pending struct {
	lines []Line
	done  chan error
}

// New makes a series that stores nothing before Run.
func New(o Options) *Series {
	id := make([]byte, 5)
	_, _ = rand.Read(id) // it never fails
	return &Series{o: o, writer: hex.EncodeToString(id), queue: make(chan *pending, 1024), ended: make(chan struct{}), objects: map[string]kept{}}
}

// Write stores lines and comes back when they are stored. After an error they may be stored all the same, now or later: the
// series goes on trying.
func (s *Series) Write(lines ...Line) error {
	p := &pending{lines: lines, done: make(chan error, 1)}
	select {
	case s.queue <- p:
	case <-s.ended:
		return errStopped
	}
	select {
	case err := <-p.done:
		return err
	case <-s.ended:
		select {
		case err := <-p.done:
			return err
		default:
			return errStopped
		}
	}
}

// Ready is an error while so many lines wait to be stored that no more should be made.
func (s *Series) Ready() error {
	if n := s.behind.Load(); n >= maxBacklog/2 {
		return fault.New(fault.Unavailable, "The %s log can't be written at the moment: %d entries wait to be stored.", s.o.Name, n)
	}
	return nil
}

// Run stores what is written until the context ends; then it stores what has been written by then, and ends.
func (s *Series) Run(ctx context.Context) error {
	defer close(s.ended)
	for {
		batch := s.gather(ctx)
		s.flush(batch)
		if ctx.Err() != nil && len(s.queue) == 0 {
			if len(s.backlog) > 0 {
				s.flush(nil)
			}
			return nil
		}
	}
}

// gather waits for lines and takes those that come soon after.
func (s *Series) gather(ctx context.Context) []*pending {
	var retry <-chan time.Time
	if len(s.backlog) > 0 {
		timer := time.NewTimer(againAfter)
		defer timer.Stop()
		retry = timer.C
	}
	var batch []*pending
	select {
	case p := <-s.queue:
		batch = append(batch, p)
	case <-retry:
		return nil
	case <-ctx.Done():
	}
	soon := time.NewTimer(gatherFor)
	defer soon.Stop()
	size := 0
	for size < maxRaw {
		select {
		case p := <-s.queue:
			batch = append(batch, p)
			for _, l := range p.lines {
				size += len(l.Data)
			}
		case <-soon.C:
			return batch
		}
	}
	return batch
}

// flush stores the backlog and a batch, in objects of a bounded size, and tells who waits.
func (s *Series) flush(batch []*pending) {
	// Whoever asked for a line may be gone; the line is stored all the same.
	ctx, cancel := context.WithTimeout(context.Background(), 2*storeFor)
	defer cancel()
	waiting := s.backlog
	s.backlog = nil
	for len(waiting) > 0 {
		n := fits(waiting)
		if err := s.store(ctx, waiting[:n]); err != nil {
			s.keep(waiting)
			break
		}
		waiting = waiting[n:]
	}
	for len(batch) > 0 {
		var lines []Line
		n := 0
		for size := 0; n < len(batch); n++ {
			for _, l := range batch[n].lines {
				size += len(l.Data)
			}
			if n > 0 && size > maxRaw {
				break
			}
			lines = append(lines, batch[n].lines...)
		}
		err := s.store(ctx, lines)
		if err != nil {
			s.keep(lines)
		}
		for _, p := range batch[:n] {
			p.done <- err
		}
		batch = batch[n:]
	}
	s.behind.Store(int64(len(s.backlog)))
}

// fits is how many of the lines, at least one, one object takes.
func fits(lines []Line) int {
	size := 0
	for i, l := range lines {
		if size += len(l.Data); i > 0 && size > maxRaw {
			return i
		}
	}
	return len(lines)
}

// keep holds lines until they can be stored. Where there are too many, the oldest are given up.
func (s *Series) keep(lines []Line) {
	s.backlog = append(s.backlog, lines...)
	if over := len(s.backlog) - maxBacklog; over > 0 {
		s.backlog = append([]Line(nil), s.backlog[over:]...)
		s.o.Failed(fault.New(fault.Unavailable, "%d entries of the %s log are given up: the cluster has not taken them for too long", over, s.o.Name))
	}
}

// store writes one object. What may pass is tried again under the same name, so that a try that was taken without our
// being told makes no second object.
func (s *Series) store(ctx context.Context, lines []Line) error {
	if len(lines) == 0 {
		return nil
	}
	data := make([][]byte, 0, len(lines))
	first, last := lines[0].At, lines[0].At
	for _, l := range lines {
		data = append(data, l.Data)
		if l.At.Before(first) {
			first = l.At
		}
		if l.At.After(last) {
			last = l.At
		}
	}
	s.number++
	secret, err := pack(s.o.Namespace, s.o.Name, batchName(s.o.Name, s.o.Now(), s.writer, s.number), data, first, last)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, storeFor)
	defer cancel()
	if err := s.create(ctx, secret); err != nil {
		s.o.Failed(err)
		return err
	}
	s.noted(secret, data)
	return nil
}

// create is Create, again while the reason may pass.
func (s *Series) create(ctx context.Context, secret *corev1.Secret) error {
	for try := 1; ; try++ {
		fresh := secret.DeepCopy()
		err := s.o.Cluster.Create(ctx, fresh)
		if err == nil || try > 1 && apierrors.IsAlreadyExists(err) {
			secret.UID, secret.CreationTimestamp = fresh.UID, fresh.CreationTimestamp
			return nil
		}
		if !passes(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause << min(try, 4)):
		}
	}
}

// passes tells whether the same call may succeed a moment later.
func passes(err error) bool {
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) {
		return true // the connection
	}
	return apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsInternalError(err) || apierrors.IsServiceUnavailable(err) || status.Status().Code >= 500
}

// noted takes a stored object to what is known, and tells of its lines.
func (s *Series) noted(secret *corev1.Secret, lines [][]byte) {
	k := known(secret)
	if k.made.IsZero() {
		k.made = s.o.Now()
	}
	s.mu.Lock()
	s.objects[secret.Name] = k
	s.mu.Unlock()
	s.o.Stored(secret.Name, lines)
}

// forget takes an object from what is known.
func (s *Series) forget(name string) {
	s.mu.Lock()
	delete(s.objects, name)
	s.mu.Unlock()
	s.o.Gone(name)
}
