// SPDX-License-Identifier: Apache-2.0

package workspacebuild

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/workload"
	"github.com/berth-dev/berth/internal/ledger"
	"github.com/berth-dev/berth/internal/render"
)

// endow has every Secret of the workload there. A Secret is made once, with random values, and never read: that it is
// there, whose it is and which keys it has stands in its metadata, which alone is asked for.
func (r *Reconciler) endow(ctx context.Context, s *scope) error {
	for i := range s.workload.Secrets {
		want := &s.workload.Secrets[i]
		is := secretMetadata(s.workspace.Namespace, want.Name)
		err := r.Live.Get(ctx, client.ObjectKeyFromObject(is), is)
		if apierrors.IsNotFound(err) {
			err = r.makeSecret(ctx, s, want)
			if apierrors.IsAlreadyExists(err) {
				return phase.Wait(s.retry(), v1alpha1.ReasonContainerConfig, "Secret %s has just been made by another", want.Name)
			}
		} else if err == nil {
			err = r.keepSecret(ctx, s, want, is)
		}
		if workload.Refused(err) {
			return phase.Wait(s.retry(), v1alpha1.ReasonContainerConfig, "the cluster refuses Secret %s: %s", want.Name, workload.ReasonOf(err))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func secretMetadata(namespace, name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
	}
}

func (r *Reconciler) makeSecret(ctx context.Context, s *scope, want *render.Secret) error {
	annotations := s.annotations()
	annotations[v1alpha1.AnnotationKeys] = strings.Join(want.Keys, ",")
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.workspace.Namespace, Name: want.Name, Labels: s.labels(), Annotations: annotations},
		Data:       map[string][]byte{},
	}
	if len(s.workload.Claims) == 0 {
		// nothing outlives the workspace, so that neither need its password
		secret.OwnerReferences = []metav1.OwnerReference{ledger.OwnerReference(&s.workspace)}
	}
	for _, key := range want.Keys {
		value, err := password()
		if err != nil {
			return err
		}
		secret.Data[key] = value
	}
	return r.Create(ctx, secret, phase.Owner)
}

// keepSecret adds the keys that a Secret of the workspace's lacks, and frees it from its owner once there are claims
// that may outlive the workspace.
func (r *Reconciler) keepSecret(ctx context.Context, s *scope, want *render.Secret, is *metav1.PartialObjectMetadata) error {
	switch {
	case is.Labels[v1alpha1.LabelID] != ledger.ID(&s.workspace) || is.Annotations[v1alpha1.AnnotationOwner] != string(s.workspace.Spec.Owner.User):
		return phase.Wait(s.retry(), v1alpha1.ReasonContainerConfig, "Secret %s stands in the way: it is not this workspace's (label %s, "+
			"annotation %s); delete it if nobody needs it", is.Name, v1alpha1.LabelID, v1alpha1.AnnotationOwner)
	case is.DeletionTimestamp != nil:
		return phase.Wait(s.retry(), v1alpha1.ReasonContainerConfig, "Secret %s is being deleted; it is made anew when it is gone", is.Name)
	}
	metadata, patch := map[string]any{}, map[string]any{}
	keys, data := strings.Split(is.Annotations[v1alpha1.AnnotationKeys], ","), map[string]any{}
	for _, key := range want.Keys {
		if slices.Contains(keys, key) {
			continue
		}
		value, err := password()
		if err != nil {
			return err
		}
		keys, data[key] = append(keys, key), value
	}
	if len(data) > 0 {
		patch["data"] = data
		metadata["annotations"] = map[string]any{v1alpha1.AnnotationKeys: strings.Trim(strings.Join(keys, ","), ",")}
	}
	if len(s.workload.Claims) > 0 && len(is.OwnerReferences) > 0 {
		metadata["ownerReferences"] = nil
	}
	if len(metadata) == 0 {
		return nil
	}
	metadata["uid"], metadata["resourceVersion"] = is.UID, is.ResourceVersion
	patch["metadata"] = metadata
	return phase.MergePatch(ctx, r.Client, is, patch)
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// password is 32 random letters and digits, each equally likely: 190 bits.
func password() ([]byte, error) {
	const length = 32
	text, random := make([]byte, 0, length), make([]byte, 2*length)
	for len(text) < length {
		if _, err := rand.Read(random); err != nil {
			return nil, err
		}
		for _, b := range random {
			if limit := 256 / len(alphabet) * len(alphabet); int(b) < limit && len(text) < length {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return text, nil
}
