// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/berth-dev/berth/internal/fault"
)

// TestAsFault takes errors as the kube-apiserver sends them.
func TestAsFault(t *testing.T) {
	workspaces := schema.GroupResource{Group: "berth.dev", Resource: "workspaces"}
	kind := schema.GroupKind{Group: "berth.dev", Kind: "Workspace"}
	terminating := apierrors.NewForbidden(workspaces, "dev", errors.New("unable to create new content in namespace platform because it is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for name, c := range map[string]struct {
		err        error
		want       fault.Kind // 0: an error of ours
		wantDetail string
		wantFields []string
	}{
		"absent":            {apierrors.NewNotFound(workspaces, "dev"), fault.NotFound, "", nil},
		"there":             {apierrors.NewAlreadyExists(workspaces, "dev"), fault.Conflict, "", nil},
		"changed meanwhile": {apierrors.NewConflict(workspaces, "dev", errors.New("the object has been modified")), fault.Conflict, "", nil},
		"namespace going":   {terminating, fault.Conflict, "", nil},
		"quota": {apierrors.NewForbidden(workspaces, "dev", errors.New("exceeded quota: team, requested: count/workspaces.berth.dev=1, used: 5, limited: 5")),
			fault.Forbidden, "team, requested: count/workspaces.berth.dev=1, used: 5, limited: 5", nil},
		"a policy":                  {apierrors.NewForbidden(workspaces, "dev", errors.New("ValidatingAdmissionPolicy 'own' with binding 'own' denied request: not yours")), fault.Forbidden, "not yours", nil},
		"a policy, said as invalid": {apierrors.NewInvalid(kind, "dev", field.ErrorList{field.Invalid(nil, "", "ValidatingAdmissionPolicy 'own' with binding 'own' denied request: not yours")}), fault.Invalid, "", nil},
		"no right of ours":          {apierrors.NewForbidden(workspaces, "dev", errors.New(`User "system:serviceaccount:berth:api" cannot patch resource`)), 0, "", nil},
		"fields": {apierrors.NewInvalid(kind, "dev", field.ErrorList{
			field.Invalid(field.NewPath("spec", "name"), "a--b", "should match"),
			field.Invalid(field.NewPath("spec", "autostop", "after"), "2 days", "should match"),
			field.Invalid(field.NewPath("spec", "autostart", "schedule"), "x", "must have five fields"),
			field.Invalid(field.NewPath("spec", "parameters", "cpu"), "x", "too long"),
			field.Invalid(field.NewPath("spec", "owner", "user"), "x", "never changes"),
		}), fault.Invalid, "", []string{"name", "ttl_ms", "schedule", "cpu", "spec.owner.user"}},
		"too large":       {apierrors.NewRequestEntityTooLargeError("limit is 3145728"), fault.TooLarge, "", nil},
		"too many":        {apierrors.NewTooManyRequests("slow down", 1), fault.Unavailable, "", nil},
		"not now":         {apierrors.NewServiceUnavailable("etcd is away"), fault.Unavailable, "", nil},
		"a timeout":       {apierrors.NewServerTimeout(workspaces, "create", 1), fault.Unavailable, "", nil},
		"our patience":    {fmt.Errorf("failed to wait for cache to catch up: %w", context.DeadlineExceeded), fault.Unavailable, "", nil},
		"already a fault": {fault.New(fault.TooLarge, "x"), fault.TooLarge, "", nil},
		"anything else":   {errors.New("connection refused"), 0, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := asFault(fmt.Errorf("wrapped: %w", c.err))
			f, ok := fault.As(err)
			if c.want == 0 {
				if ok {
					t.Errorf("%v is shown to people", f)
				}
				return
			}
			if !ok || f.Kind != c.want || c.wantDetail != "" && f.Detail != c.wantDetail {
				t.Fatalf("%v (%+v), want %s with %q", err, f, c.want, c.wantDetail)
			}
			var named []string
			for _, field := range f.Fields {
				named = append(named, field.Path)
			}
			if diff := cmp.Diff(c.wantFields, named); c.wantFields != nil && diff != "" {
				t.Error(diff)
			}
		})
	}
	if asFault(nil) != nil {
		t.Error("nothing is an error")
	}
}

// TestAdvisory_V26_ObjectNamesAreInjective: no two pairs of an owner and a name meet in one object, and neither do the
// builds of two workspaces. Owners are metadata.names of Users and names are the wire's: neither holds two hyphens in a
// row, nor one at an end.
func TestAdvisory_V26_ObjectNamesAreInjective(t *testing.T) {
	var parts []string
	for _, a := range []string{"a", "b", "1", "ab", "12"} {
		parts = append(parts, a)
		for _, b := range []string{"a", "b", "1", "12"} {
			parts = append(parts, a+"-"+b)
		}
	}
	workspaces, builds := map[string]string{}, map[string]string{}
	for _, owner := range parts {
		for _, name := range parts {
			object, pair := ObjectName(owner, name), owner+" "+name
			if other, ok := workspaces[object]; ok {
				t.Errorf("%s and %s are both %s", pair, other, object)
			}
			workspaces[object] = pair
			for _, number := range []int{1, 2, 12, 112} {
				build, which := fmt.Sprintf("%s-%d", object, number), fmt.Sprintf("%s %d", pair, number)
				if other, ok := builds[build]; ok {
					t.Errorf("builds %s and %s are both %s", which, other, build)
				}
				builds[build] = which
			}
		}
	}
	if len(ObjectName("0123456789012345678901234567890x", "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345")) > 66 {
		t.Error("the longest name has more than 66 characters")
	}
}
