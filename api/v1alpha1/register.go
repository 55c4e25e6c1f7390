// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds Berth's Kubernetes API: the kinds of the group berth.dev, their conditions and the reasons
// those conditions give. It holds shapes and bounds only; what the fields mean at run time is decided by the rules
// under internal and acted on by controllers.
//
// Every field that a person can write decodes whatever the API server admits: durations, quantities, times and ids are
// strings here, refused by pattern and CEL in the CRD and parsed where they are used. One odd manifest must never stop
// an informer.
//
// +kubebuilder:object:generate=true
// +groupName=berth.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the API group and version of every kind in this package.
var GroupVersion = schema.GroupVersion{Group: "berth.dev", Version: "v1alpha1"}

var schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

// AddToScheme registers the kinds of this package with a scheme.
var AddToScheme = schemeBuilder.AddToScheme

func addKnownTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Organization{}, &OrganizationList{},
		&Template{}, &TemplateList{},
		&TemplateVersion{}, &TemplateVersionList{},
		&DryRun{}, &DryRunList{},
		&Workspace{}, &WorkspaceList{},
		&WorkspaceBuild{}, &WorkspaceBuildList{},
		&DeletedWorkspace{}, &DeletedWorkspaceList{},
		&WarmWorkspace{}, &WarmWorkspaceList{},
		&Group{}, &GroupList{},
		&User{}, &UserList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
