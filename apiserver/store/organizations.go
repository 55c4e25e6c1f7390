// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/index"
)

// homePatience is how long a new organization is waited for to have its home; it is answered with as it is then.
const homePatience = 2 * time.Second

// CreateOrganization stores a new organization, whose home the manager makes, and waits a moment for that. A name that
// another one has is a Conflict; so is that of a namespace that stands already: to have it adopted takes a right in the
// cluster that the caller need not have.
func (s *Store) CreateOrganization(ctx context.Context, name, by string) (*v1alpha1.Organization, error) {
	o := &v1alpha1.Organization{ObjectMeta: metav1.ObjectMeta{Name: strings.ToLower(name), Annotations: map[string]string{
		v1alpha1.AnnotationCreatedAt: time.Now().UTC().Format(time.RFC3339Nano), v1alpha1.AnnotationCreatedBy: by,
	}}}
	if name != o.Name {
		o.Spec.Name = v1alpha1.WireName(name)
	}
	err := s.alone(ctx, claims.Claim{Kind: claims.OrganizationName, Value: name}, func() error {
		if err := s.freeOrganizationName(ctx, name); err != nil {
			return err
		}
		err := s.client.Create(ctx, o)
		if apierrors.IsAlreadyExists(err) {
			return organizationTaken("This value is already in use and should be unique.")
		}
		return asFault(err)
	})
	if err != nil {
		return nil, err
	}
	return s.furnished(ctx, o), nil
}

// freeOrganizationName is a Conflict when an organization has the name, or a namespace. It reads live.
func (s *Store) freeOrganizationName(ctx context.Context, name string) error {
	var all v1alpha1.OrganizationList
	if err := s.live.List(ctx, &all); err != nil {
		return asFault(err)
	}
	if slices.ContainsFunc(all.Items, func(o v1alpha1.Organization) bool {
		return !Hidden(&o) && index.Fold(o.WireName()) == index.Fold(name)
	}) {
		return organizationTaken("This value is already in use and should be unique.")
	}
	err := s.live.Get(ctx, client.ObjectKey{Name: strings.ToLower(name)}, &corev1.Namespace{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return asFault(err)
	}
	return organizationTaken("a namespace of this name stands in the cluster; choose another, or apply an Organization with kubectl to have it taken over")
}

func organizationTaken(detail string) error {
	f := fault.New(fault.Conflict, "The name of the organization is taken.")
	f.Fields = []fault.Field{{Path: "name", Detail: detail}}
	return f
}

// furnished is an organization as it is once it is ready or refused, or after a moment.
func (s *Store) furnished(ctx context.Context, o *v1alpha1.Organization) *v1alpha1.Organization {
	latest := o
	// That the time is over is no failure: the organization is there.
	_ = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, homePatience, true, func(ctx context.Context) (bool, error) {
		now := &v1alpha1.Organization{}
		if err := s.get(ctx, "", o.Name, now); err != nil || now.UID != o.UID {
			return false, nil
		}
		latest = now
		return meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionReady) ||
			meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionStalled), nil
	})
	return latest
}
