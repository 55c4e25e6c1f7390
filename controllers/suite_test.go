// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"log/slog"
	"testing"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/berth-dev/berth/internal/testing/cluster"
)

var (
	env *cluster.Cluster
	// log is what the manager says, at its most talkative.
	log = gbytes.NewBuffer()
)

func TestManager(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Manager")
}

var _ = BeforeSuite(func() {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.Level(-10)})))
	var err error
	env, err = cluster.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(env.Stop)
})
