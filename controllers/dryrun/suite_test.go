// SPDX-License-Identifier: Apache-2.0

package dryrun_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/internal/testing/cluster"
)

var env *cluster.Cluster

func TestDryRun(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "DryRun")
}

var _ = BeforeSuite(func() {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
})
