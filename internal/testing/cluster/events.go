// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
)

// Events is an event recorder that keeps what was said, as "Type Reason object: note".
type Events struct {
	mu   sync.Mutex
	said []string
}

// Eventf implements the recorder of k8s.io/client-go/tools/events.
func (e *Events) Eventf(regarding, _ runtime.Object, kind, reason, _, note string, args ...any) {
	name := "?"
	if o, err := meta.Accessor(regarding); err == nil {
		name = o.GetName()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said = append(e.said, fmt.Sprintf("%s %s %s: ", kind, reason, name)+fmt.Sprintf(note, args...))
}

// Said is everything so far, in order.
func (e *Events) Said() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.said)
}
