// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/testing/given"
)

// shortest is how long a value must be to be looked for: shorter ones stand in texts by chance.
const shortest = 8

// whatNobodyIsTold has a workspace with a generated Secret come and go, and looks for the value of every Secret of the
// cluster where the manager speaks: its log, at its most talkative, events, metrics, and the status of what is its.
func whatNobodyIsTold(ctx SpecContext) {
	ws := given.Workspace("platform", "canary", "ada", "django")
	create(ctx, ws)
	Eventually(func() string {
		kubelet(ctx, ws)
		return reason(state(ctx, ws)())
	}).WithContext(ctx).WithTimeout(soon).Should(Equal("AgentReady"))
	values := secretValues(ctx)
	Expect(values).To(HaveKey(ContainSubstring("platform/canary")), "the workspace has one of its own")

	Expect(env.Client.Delete(ctx, ws)).To(Succeed())
	Eventually(func() error {
		kubelet(ctx, ws)
		return env.Client.Get(ctx, client.ObjectKeyFromObject(ws), ws)
	}).WithContext(ctx).WithTimeout(time.Minute).ShouldNot(Succeed())

	told := map[string][]byte{"the log": log.Contents(), "the events": events(ctx), "the metrics": measured()}
	Expect(told["the log"]).To(ContainSubstring("Starting workers"), "the log is that of the manager")
	Expect(told["the events"]).NotTo(BeEmpty())
	Expect(told["the metrics"]).To(ContainSubstring("controller_runtime_reconcile_total"))
	for _, kind := range []string{"Organization", "User", "Group", "Template", "TemplateVersion", "Workspace", "WorkspaceBuild", "WarmWorkspace", "DeletedWorkspace", "DryRun"} {
		told["the status of "+kind] = statuses(ctx, kind)
	}
	for where, text := range told {
		for whose, value := range values {
			Expect(bytes.Contains(text, value)).To(BeFalse(), "%s holds a value of Secret %s", where, whose)
		}
	}
}

// secretValues are the values of all Secrets, by whose they are.
func secretValues(ctx context.Context) map[string][]byte {
	GinkgoHelper()
	var list corev1.SecretList
	Expect(env.Client.List(ctx, &list)).To(Succeed())
	found := map[string][]byte{}
	for _, s := range list.Items {
		for key, value := range s.Data {
			if len(value) >= shortest {
				found[s.Namespace+"/"+s.Name+" "+key] = value
			}
		}
	}
	return found
}

func events(ctx context.Context) []byte {
	GinkgoHelper()
	var list eventsv1.EventList
	Expect(env.Client.List(ctx, &list)).To(Succeed())
	text, err := json.Marshal(list.Items)
	Expect(err).NotTo(HaveOccurred())
	return text
}

// measured are the metrics that the manager would serve.
func measured() []byte {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	var text bytes.Buffer
	for _, f := range families {
		text.WriteString(f.String() + "\n")
	}
	return text.Bytes()
}

// statuses are those of all objects of a kind of ours.
func statuses(ctx context.Context, kind string) []byte {
	GinkgoHelper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: v1alpha1.GroupVersion.Group, Version: v1alpha1.GroupVersion.Version, Kind: kind + "List"})
	Expect(env.Client.List(ctx, list)).To(Succeed())
	var all []any
	for _, o := range list.Items {
		all = append(all, o.Object["status"])
	}
	text, err := json.Marshal(all)
	Expect(err).NotTo(HaveOccurred())
	return text
}
