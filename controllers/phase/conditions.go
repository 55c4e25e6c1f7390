// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// maxMessage is the longest message that a condition may have.
const maxMessage = 32768

// Ready is what the conditions say of an object that is as wished.
type Ready struct {
	Reason, Message string
}

// Conclude gives the conditions that follow from a pass: Ready always; beside it Stalled when a person must change
// something (a fault), or Reconciling while the manager works, waits or tries again. Those two stand only where they
// are True, as kstatus has it. Conditions of other types are kept.
func Conclude(before []metav1.Condition, generation int64, outcome error, ready Ready, now time.Time) []metav1.Condition {
	conditions := append([]metav1.Condition{}, before...)
	set := func(kind string, status metav1.ConditionStatus, reason, message string) {
		Set(&conditions, generation, kind, status, reason, message, now)
	}
	if outcome == nil {
		set(v1alpha1.ConditionReady, metav1.ConditionTrue, ready.Reason, ready.Message)
		meta.RemoveStatusCondition(&conditions, v1alpha1.ConditionReconciling)
		meta.RemoveStatusCondition(&conditions, v1alpha1.ConditionStalled)
		return conditions
	}
	reason, message, stalled := explain(outcome)
	set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
	on, off := v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled
	if stalled {
		on, off = off, on
	}
	set(on, metav1.ConditionTrue, reason, message)
	meta.RemoveStatusCondition(&conditions, off)
	return conditions
}

// explain is what a person reads of an outcome, and whether it needs a person.
func explain(outcome error) (reason, message string, stalled bool) {
	var wait *Waiting
	if errors.As(outcome, &wait) {
		return wait.Reason, wait.Message, false
	}
	if f, ok := fault.As(outcome); ok {
		reason := f.Reason
		if reason == "" {
			reason = v1alpha1.ReasonInvalid
		}
		return reason, f.Error(), true
	}
	return v1alpha1.ReasonRetrying, "the cluster did not take it, trying again: " + outcome.Error(), false
}

// Set sets one condition; its transition time moves only with its status.
func Set(conditions *[]metav1.Condition, generation int64, kind string, status metav1.ConditionStatus, reason, message string, now time.Time) {
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: Shorten(message, maxMessage),
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
	})
}

// Shorten cuts a text to at most so many bytes, between characters, and marks the cut.
func Shorten(text string, bytes int) string {
	const mark = "…"
	if len(text) <= bytes {
		return text
	}
	text = text[:max(bytes-len(mark), 0)]
	for len(text) > 0 {
		if r, size := utf8.DecodeLastRuneInString(text); r != utf8.RuneError || size > 1 {
			break
		}
		text = text[:len(text)-1]
	}
	return text + mark
}

// IsReady tells whether an object's status is of its present generation and Ready.
func IsReady(o v1alpha1.Object) bool {
	return o.GetObservedGeneration() == o.GetGeneration() && meta.IsStatusConditionTrue(o.GetConditions(), v1alpha1.ConditionReady)
}

// NotEnforced says in the condition PolicyMet which fields an object states that this release stores and does not act
// on. An object that states none has no such condition.
func NotEnforced(conditions *[]metav1.Condition, generation int64, fields []string, now time.Time) {
	if len(fields) == 0 {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionPolicyMet)
		return
	}
	Set(conditions, generation, v1alpha1.ConditionPolicyMet, metav1.ConditionFalse, v1alpha1.ReasonNotEnforced,
		"stored and shown, and not acted on by this release: "+strings.Join(fields, ", "), now)
}
