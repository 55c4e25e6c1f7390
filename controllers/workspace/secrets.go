// SPDX-License-Identifier: Apache-2.0

package workspace

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// forget removes the Secrets that a removed claim remembers, once no other claim of the workspace is left: a database
// that is kept keeps its password. They are removed after the claim, so that at worst one is left over and none is
// missed. Of each only the metadata is read.
func forget(ctx context.Context, c client.Client, live client.Reader, claim *corev1.PersistentVolumeClaim) error {
	names, id := claim.Annotations[v1alpha1.AnnotationSecrets], claim.Labels[v1alpha1.LabelID]
	if names == "" || id == "" {
		return nil
	}
	var claims corev1.PersistentVolumeClaimList
	if err := live.List(ctx, &claims, client.InNamespace(claim.Namespace), client.MatchingLabels{v1alpha1.LabelID: id}); err != nil {
		return err
	}
	for _, other := range claims.Items {
		if other.UID != claim.UID && other.DeletionTimestamp == nil {
			return nil
		}
	}
	for _, name := range strings.Split(names, ",") {
		secret := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}}
		err := live.Get(ctx, client.ObjectKey{Namespace: claim.Namespace, Name: name}, secret)
		if apierrors.IsNotFound(err) || err == nil && (secret.Labels[v1alpha1.LabelID] != id || secret.Labels[v1alpha1.LabelManagedBy] != v1alpha1.ManagedBy) {
			continue
		}
		if err != nil {
			return err
		}
		if err := ignoreGone(c.Delete(ctx, secret, client.Preconditions{UID: &secret.UID})); err != nil {
			return err
		}
	}
	return nil
}
