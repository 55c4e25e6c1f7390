// SPDX-License-Identifier: Apache-2.0

// Package given builds objects for tests: valid by default, bent to what a test is about by an inline function. It
// creates nothing in a cluster.
package given

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Organization is an Organization with defaults only.
func Organization(name string, change ...func(*v1alpha1.Organization)) *v1alpha1.Organization {
	return with(&v1alpha1.Organization{ObjectMeta: metav1.ObjectMeta{Name: name}}, change)
}

// User is a User with an e-mail address of its own.
func User(name string, change ...func(*v1alpha1.User)) *v1alpha1.User {
	return with(&v1alpha1.User{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.UserSpec{Email: name + "@example.org"},
	}, change)
}

// Group is a Group without members.
func Group(namespace, name string, change ...func(*v1alpha1.Group)) *v1alpha1.Group {
	return with(&v1alpha1.Group{ObjectMeta: in(namespace, name)}, change)
}

// Template is the shortest template that works.
func Template(namespace, name string, change ...func(*v1alpha1.Template)) *v1alpha1.Template {
	return with(&v1alpha1.Template{
		ObjectMeta: in(namespace, name),
		Spec:       v1alpha1.TemplateSpec{Content: Content()},
	}, change)
}

// TemplateVersion is a version of the template with the shortest content.
func TemplateVersion(namespace, name, template string, change ...func(*v1alpha1.TemplateVersion)) *v1alpha1.TemplateVersion {
	return with(&v1alpha1.TemplateVersion{
		ObjectMeta: in(namespace, name),
		Spec: v1alpha1.TemplateVersionSpec{
			TemplateRef: &v1alpha1.NameReference{Name: v1alpha1.ObjectName(template)},
			Content:     *Content(),
		},
	}, change)
}

// Content is the shortest content.
func Content(change ...func(*v1alpha1.TemplateContent)) *v1alpha1.TemplateContent {
	return with(&v1alpha1.TemplateContent{Image: "registry.example/base:24.04"}, change)
}

// Parameter is a parameter with a default.
func Parameter(name string, kind v1alpha1.ParameterType, value any, change ...func(*v1alpha1.Parameter)) v1alpha1.Parameter {
	v := v1alpha1.ValueOf(value)
	return *with(&v1alpha1.Parameter{Name: name, Type: kind, Default: &v}, change)
}

// Workspace is a workspace of the template, owned by the User.
func Workspace(namespace, name, owner, template string, change ...func(*v1alpha1.Workspace)) *v1alpha1.Workspace {
	return with(&v1alpha1.Workspace{
		ObjectMeta: in(namespace, name),
		Spec: v1alpha1.WorkspaceSpec{
			Owner:       v1alpha1.WorkspaceOwner{User: v1alpha1.ObjectName(owner)},
			TemplateRef: v1alpha1.TemplateReference{Name: v1alpha1.ObjectName(template)},
		},
	}, change)
}

// Build is a workspace's build by a person. The workspace must have been created, as a build names its uid.
func Build(of *v1alpha1.Workspace, number int64, transition v1alpha1.Transition, change ...func(*v1alpha1.WorkspaceBuild)) *v1alpha1.WorkspaceBuild {
	return with(&v1alpha1.WorkspaceBuild{
		ObjectMeta: in(of.Namespace, fmt.Sprintf("%s-%d", of.Name, number)),
		Spec: v1alpha1.WorkspaceBuildSpec{
			WorkspaceRef: v1alpha1.UIDReference{Name: v1alpha1.ObjectName(of.Name), UID: of.UID},
			Number:       number,
			Transition:   transition,
			Reason:       v1alpha1.BuildReasonInitiator,
			Initiator:    v1alpha1.Initiator{Name: "system"},
		},
	}, change)
}

func in(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func with[T any](o *T, change []func(*T)) *T {
	for _, f := range change {
		f(o)
	}
	return o
}
