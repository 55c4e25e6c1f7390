// SPDX-License-Identifier: Apache-2.0

package apiservice_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/berth-dev/berth/internal/testing/cluster"
)

var env *cluster.Cluster

func TestAPIService(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "APIService")
}

var _ = BeforeSuite(func() {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
	Expect(apiregistrationv1.AddToScheme(env.Scheme)).To(Succeed())
})
