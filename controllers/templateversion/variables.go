// SPDX-License-Identifier: Apache-2.0

package templateversion

import (
	"context"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
)

// storing is how long the API server may take to store the values of a version's sensitive variables.
const storing = time.Minute

// unset refuses a version some of whose variables have no value. Clients know the failure by its code: they ask for the
// values and push the archive again.
func unset(content *v1alpha1.TemplateContent) *fault.Error {
	var missing []string
	for _, v := range content.Variables {
		if v.ValueFrom == nil && (v.Value == nil || v.Value.IsNull()) && (v.Default == nil || v.Default.IsNull()) {
			missing = append(missing, v.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fault.On("spec.content.variables", "required template variables need values: %s", strings.Join(missing, ", ")).
		Because(v1alpha1.ReasonVariableMissing)
}

// valuesStored waits for the Secret with the values of an uploaded version's variables, which the API server stores just
// after the version. Should that process have died between the two, nobody knows the values any more. Of the Secret
// nothing but its metadata is asked for.
func (r *Reconciler) valuesStored(ctx context.Context, s *scope) (*fault.Error, error) {
	if s.version.Spec.Source == nil {
		return nil, nil // what a manifest names may come at any time, and is asked for when a pod is made
	}
	for _, v := range s.version.Spec.Content.Variables {
		if v.ValueFrom == nil {
			continue
		}
		name := string(v.ValueFrom.SecretKeyRef.Name)
		secret := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
		err := r.Live.Get(ctx, client.ObjectKey{Namespace: s.version.Namespace, Name: name}, secret)
		switch {
		case err == nil:
		case !apierrors.IsNotFound(err):
			return nil, err
		case s.now.Sub(s.version.CreationTimestamp.Time) < storing:
			return nil, phase.Wait(5*time.Second, v1alpha1.ReasonVersionChecking, "the value of variable %s is being stored", v.Name)
		default:
			return fault.On("spec.content.variables", "the value of variable %s was not stored: there is no Secret %s; push the version again", v.Name, name).
				Because(v1alpha1.ReasonVariableMissing), nil
		}
	}
	return nil, nil
}
