// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

var (
	env     *cluster.Cluster
	objects *store.Store
)

func TestStore(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Store")
}

var _ = BeforeSuite(func() {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	objects, err = store.New(ctx, store.Options{Config: env.Config, Namespace: "default"})
	Expect(err).NotTo(HaveOccurred())
	go func() {
		defer GinkgoRecover()
		Expect(objects.Start(ctx)).To(Succeed())
	}()
	Expect(objects.Synced(ctx)).To(BeTrue())
})
