// SPDX-License-Identifier: Apache-2.0

package files

import (
	"context"
	"time"

	"github.com/google/uuid"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// page is how many chunks are listed at once.
const page = 500

// Kept is an archive as a list shows it, or what an upload that was broken off has left of one.
type Kept struct {
	// ID is its id.
	ID uuid.UUID
	// Used is when it was last sent.
	Used time.Time

	head   *metav1.PartialObjectMetadata
	chunks []metav1.PartialObjectMetadata
}

// List lists what is kept, by its metadata.
func (f *Files) List(ctx context.Context) ([]*Kept, error) {
	var order []*Kept
	known := map[string]*Kept{}
	for next := ""; ; {
		list := &metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMapList"}}
		err := f.Client.List(ctx, list, client.InNamespace(f.Namespace), client.HasLabels{LabelFile}, client.Limit(page), client.Continue(next))
		if err != nil {
			return nil, err
		}
		for _, o := range list.Items {
			label := o.Labels[LabelFile]
			id, err := uuid.Parse(label)
			if err != nil {
				continue // somebody else's
			}
			k := known[label]
			if k == nil {
				k = &Kept{ID: id}
				known[label], order = k, append(order, k)
			}
			k.add(o, f.name(id, ""))
		}
		if next = list.Continue; next == "" {
			return order, nil
		}
	}
}

func (k *Kept) add(o metav1.PartialObjectMetadata, head string) {
	used := o.CreationTimestamp.Time
	o.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"} // a list does not say it of its items
	if o.Name == head {
		k.head = &o
		if at, err := time.Parse(time.RFC3339, o.Annotations[annotationUsed]); err == nil {
			used = at
		}
	} else {
		k.chunks = append(k.chunks, o)
	}
	if used.After(k.Used) {
		k.Used = used
	}
}

// Remove removes an archive as it was listed, the head first, so that none is found without its chunks. One that was sent
// again since is left.
func (f *Files) Remove(ctx context.Context, k *Kept) error {
	if k.head != nil {
		err := f.Client.Delete(ctx, k.head, client.Preconditions{UID: &k.head.UID, ResourceVersion: &k.head.ResourceVersion})
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	for i := range k.chunks {
		c := &k.chunks[i]
		if err := f.Client.Delete(ctx, c, client.Preconditions{UID: &c.UID}); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}
