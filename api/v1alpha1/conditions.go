// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// The condition types that every kind shares; they follow kstatus.
const (
	// ConditionReady is True when the object is as wished: a workspace stopped as wished is Ready.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the manager works towards the wish, or waits for something that may pass.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when a person must change something before the manager can go on.
	ConditionStalled = "Stalled"
)

// Reasons that any kind may give.
const (
	// ReasonReady: nothing to do.
	ReasonReady = "Ready"
	// ReasonProgressing: the manager is at work; wait.
	ReasonProgressing = "Progressing"
	// ReasonRetrying: the cluster refused or failed a request and the manager tries again; read the message if it lasts.
	ReasonRetrying = "Retrying"
	// ReasonInvalid: a field is wrong; the message names it and what would be right.
	ReasonInvalid = "Invalid"
	// ReasonNotAnOrganization: the namespace belongs to no Organization; apply the manifest that the message shows.
	ReasonNotAnOrganization = "NotAnOrganization"
	// ReasonNameTaken: an older object holds the name; choose another.
	ReasonNameTaken = "NameTaken"
	// ReasonIDTaken: an older object holds spec.id; remove the line from the copied manifest and apply it anew.
	ReasonIDTaken = "IDTaken"
	// ReasonSubjectTaken: two Users claim one Kubernetes identity, which is nobody's until then; take it out of one of
	// them. Groups may share a subject.
	ReasonSubjectTaken = "SubjectTaken"
)

// Object is a kind of this package: it has an id on the wire and kstatus conditions.
//
// +kubebuilder:object:generate=false
type Object interface {
	metav1.Object
	runtime.Object
	// WireID is spec.id as stored; empty until the manager has set it.
	WireID() ID
	// GetConditions is the object's conditions.
	GetConditions() []metav1.Condition
	// GetObservedGeneration is the generation that the status was computed from; -1 before the first time.
	GetObservedGeneration() int64
}
