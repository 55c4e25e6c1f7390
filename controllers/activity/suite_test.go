// SPDX-License-Identifier: Apache-2.0

package activity_test

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/internal/testing/cluster"
)

const own = "berth-system"

var env *cluster.Cluster

func TestActivity(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Activity")
}

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
	Expect(env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: own}})).To(Succeed())
})
