// SPDX-License-Identifier: Apache-2.0

// Package files removes uploaded archives that no version refers to any more. It asks for the metadata of the chunks alone,
// and never for what they hold.
package files

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/files"
	"github.com/berth-dev/berth/internal/index"
)

const (
	// grace is how long an archive is kept that no version refers to: a push is an upload first and a version then.
	grace = 24 * time.Hour
	// every is how often archives are looked at.
	every = time.Hour
)

// +kubebuilder:rbac:groups="",namespace=berth-system,resources=configmaps,verbs=list;delete
// +kubebuilder:rbac:groups=berth.dev,resources=templateversions,verbs=get;list;watch

// Sweep removes archives.
type Sweep struct {
	// Reader has the versions, by the index of their archives.
	Reader client.Reader
	// Files are the archives.
	Files *files.Files
	// Clock tells when an archive's time is over.
	Clock clock.WithTicker
	// Log takes what could not be done; it is tried again.
	Log logr.Logger
}

// Start sweeps until the context ends. A manager runs it while it leads.
func (s *Sweep) Start(ctx context.Context) error {
	tick := s.Clock.NewTicker(every)
	defer tick.Stop()
	for {
		if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.Error(err, "Sweeping uploaded archives")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C():
		}
	}
}

// Sweep looks at every archive once.
func (s *Sweep) Sweep(ctx context.Context) error {
	kept, err := s.Files.List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range kept {
		if s.Clock.Now().Sub(a.Used) < grace {
			continue
		}
		used, err := s.used(ctx, a.ID)
		if err == nil && !used {
			err = s.Files.Remove(ctx, a)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// used tells whether a version refers to an archive.
func (s *Sweep) used(ctx context.Context, id uuid.UUID) (bool, error) {
	var versions v1alpha1.TemplateVersionList
	err := s.Reader.List(ctx, &versions, client.MatchingFields{index.File: id.String()}, client.Limit(1))
	return len(versions.Items) > 0, err
}
