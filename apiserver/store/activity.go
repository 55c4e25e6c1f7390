// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/activity"
	"github.com/berth-dev/berth/internal/fault"
)

// records are the records of templates as they were last read, so that a record is decoded once.
type records struct {
	mu     sync.Mutex
	byName map[string]decoded
}

type decoded struct {
	version string
	record  *activity.Record
}

func newRecords() *records { return &records{byName: map[string]decoded{}} }

// of decodes what a ConfigMap holds. Nobody may change it.
func (r *records) of(kept *corev1.ConfigMap) (*activity.Record, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.byName[kept.Name]; ok && known.version == kept.ResourceVersion {
		return known.record, nil
	}
	record, err := activity.Decode(kept.BinaryData[activity.Key])
	if err == nil {
		r.byName[kept.Name] = decoded{version: kept.ResourceVersion, record: record}
	}
	return record, err
}

// Activity is the record of who used a template on which day; NotFound until the manager has begun one.
func (s *Store) Activity(ctx context.Context, t *v1alpha1.Template) (*activity.Record, error) {
	kept := &corev1.ConfigMap{}
	if err := s.get(ctx, s.namespace, activity.Name(t.Namespace, t.Name), kept); err != nil {
		return nil, err
	}
	if kept.Annotations[activity.AnnotationUID] != string(t.UID) {
		return nil, notFound() // an earlier template of the name
	}
	return s.records.of(kept)
}

// WithFigures adds to a template what is counted about it.
func (s *Store) WithFigures(ctx context.Context, p TemplateParts) (TemplateParts, error) {
	var err error
	if p.BuildTimes, err = s.BuildTimes(ctx, p.Template); err != nil {
		return p, err
	}
	record, err := s.Activity(ctx, p.Template)
	if fault.Is(err, fault.NotFound) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	n := record.Active(activity.On(time.Now()), activity.Window)
	p.ActiveUsers = &n
	return p, nil
}
