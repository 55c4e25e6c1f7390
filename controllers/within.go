// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/internal/index"
)

// within registers indexes that are asked for one namespace only. The cache's own registration keeps each value twice, for its
// namespace and for all of them, and one that every object has for itself costs each some three hundred bytes a time. Index
// and key are spelled as the cache's reader looks for them; were that to change, a workspace's pod would not be found, and
// the specs of the whole manager would fail.
func within(ctx context.Context, informers cache.Informers, indexes ...index.Index) error {
	for _, i := range indexes {
		informer, err := informers.GetInformer(ctx, i.Object, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("informer of %T: %w", i.Object, err)
		}
		err = informer.AddIndexers(toolscache.Indexers{"field:" + i.Name: func(o any) ([]string, error) {
			object, ok := o.(client.Object)
			if !ok {
				return nil, fmt.Errorf("%T is no object", o)
			}
			var keys []string
			for _, value := range i.Values(object) {
				keys = append(keys, object.GetNamespace()+"/"+value)
			}
			return keys, nil
		}})
		if err != nil {
			return fmt.Errorf("index %s of %T: %w", i.Name, i.Object, err)
		}
	}
	return nil
}
