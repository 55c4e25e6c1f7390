// SPDX-License-Identifier: Apache-2.0

package user_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/internal/testing/cluster"
)

var env *cluster.Cluster

func TestUser(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "User")
}

var _ = BeforeSuite(func() {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
})
