// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/render"
)

// Mountable refuses a pod that names a Secret or ConfigMap which nobody has opened to templates. Only the object's
// metadata is asked for, live, and kept nowhere. One that is not there may still be made, so it is waited for. One that
// is there without the label was not meant for templates: what begins fails at once, and what ran comes back when the label
// does. template is the reference that the pod's template is known by.
func (m *Maker) Mountable(ctx context.Context, namespace string, references []render.Reference, template v1alpha1.TemplateReference, begins bool) error {
	for _, ref := range references {
		o := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: ref.Kind}}
		err := m.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ref.Name}, o)
		switch {
		case apierrors.IsNotFound(err) && ref.Optional:
		case apierrors.IsNotFound(err):
			missing := fmt.Sprintf("there is no %s %s in namespace %s", ref.Kind, ref.Name, namespace)
			if from := template.Organization; from != "" {
				missing += fmt.Sprintf("; template %s is organization %s's, whose own are not read for others: make a copy here, labelled %s=true",
					template.Name, from, render.LabelMountable)
			}
			return waitFor(ref, missing)
		case apierrors.IsForbidden(err):
			return waitFor(ref, fmt.Sprintf("Berth may not look whether %s %s is open to templates; the RoleBinding "+
				"berth-manager-mountable, which it makes in namespace %s, lets it: %s", ref.Kind, ref.Name, namespace, ReasonOf(err)))
		case err != nil:
			return err
		case o.Labels[render.LabelMountable] != "true":
			closed := fmt.Sprintf("%s %s is not open to templates; who may write it can label it: kubectl label %s %s -n %s %s=true",
				ref.Kind, ref.Name, ref.Kind, ref.Name, namespace, render.LabelMountable)
			if begins {
				return fault.On(ref.Path, "%s", closed).Because(v1alpha1.ReasonContainerConfig)
			}
			return waitFor(ref, closed)
		}
	}
	return nil
}

func waitFor(ref render.Reference, message string) error {
	return phase.Wait(10*time.Second, v1alpha1.ReasonContainerConfig, "%s: %s", ref.Path, message)
}
