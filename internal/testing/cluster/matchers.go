// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"fmt"

	"github.com/onsi/gomega/gcustom"
	"github.com/onsi/gomega/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// HaveCondition succeeds when an object of ours has the condition with that status and reason.
func HaveCondition(kind string, want metav1.ConditionStatus, reason string) types.GomegaMatcher {
	return gcustom.MakeMatcher(func(o v1alpha1.Object) (bool, error) {
		c := meta.FindStatusCondition(o.GetConditions(), kind)
		return c != nil && c.Status == want && c.Reason == reason, nil
	}).WithTemplate("Expected{{if .Failure}}{{else}} not{{end}} {{.Data}} among the conditions\n{{format .Actual.GetConditions}}",
		fmt.Sprintf("%s=%s with reason %s", kind, want, reason))
}

// BeReady succeeds when an object of ours is Ready.
func BeReady() types.GomegaMatcher {
	return gcustom.MakeMatcher(func(o v1alpha1.Object) (bool, error) {
		return meta.IsStatusConditionTrue(o.GetConditions(), v1alpha1.ConditionReady), nil
	}).WithTemplate("Expected it{{if .Failure}}{{else}} not{{end}} to be Ready, its conditions are\n{{format .Actual.GetConditions}}")
}

// BeStalled succeeds when an object of ours is Stalled with the reason, and so not Ready.
func BeStalled(reason string) types.GomegaMatcher {
	return gcustom.MakeMatcher(func(o v1alpha1.Object) (bool, error) {
		c := meta.FindStatusCondition(o.GetConditions(), v1alpha1.ConditionStalled)
		return c != nil && c.Status == metav1.ConditionTrue && c.Reason == reason, nil
	}).WithTemplate("Expected it{{if .Failure}}{{else}} not{{end}} to be Stalled with reason {{.Data}}, its conditions are\n{{format .Actual.GetConditions}}", reason)
}

// Message is what the object's condition says; empty when it has none of that type.
func Message(o v1alpha1.Object, kind string) string {
	c := meta.FindStatusCondition(o.GetConditions(), kind)
	if c == nil {
		return ""
	}
	return c.Message
}
