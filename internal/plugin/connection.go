// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// connection is the cluster as this person reaches it.
type connection struct {
	client.WithWatch
	config    *rest.Config
	namespace string
}

// connect makes a connection as the flags and the kubeconfig say. It asks the cluster nothing yet.
func (s *session) connect() (*connection, error) {
	log.SetLogger(logr.Discard()) // what went wrong is told to the person, by the command
	config, err := s.flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.QPS = -1 // the kube-apiserver's own fairness is the limit
	config.WarningHandler = rest.NewWarningWriter(s.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	namespace, _, err := s.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(known); err != nil {
			return nil, err
		}
	}
	c, err := client.NewWithWatch(config, client.Options{Scheme: known})
	if err != nil {
		return nil, err
	}
	return &connection{c, config, namespace}, nil
}

// core is a client of the built-in kinds, for what has no object: logs.
func (c *connection) core() (kubernetes.Interface, error) { return kubernetes.NewForConfig(c.config) }

// key is an object of the connection's namespace.
func (c *connection) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: c.namespace, Name: name}
}

// workspace finds a workspace of the namespace by what a person types: its metadata.name, OWNER/NAME as clients of the
// API write it, or the name alone where only one workspace of the namespace has it.
func (c *connection) workspace(ctx context.Context, typed string) (*v1alpha1.Workspace, error) {
	var w v1alpha1.Workspace
	owner, name, qualified := strings.Cut(typed, "/")
	object := typed
	if qualified {
		object = owner + "--" + name
	}
	err := c.Get(ctx, c.key(object), &w)
	if err == nil || !apierrors.IsNotFound(err) {
		return &w, err
	}
	var all v1alpha1.WorkspaceList
	if listing := c.List(ctx, &all, client.InNamespace(c.namespace)); listing != nil {
		if apierrors.IsForbidden(listing) {
			return nil, err // by its object name it is not there, and others this person may not see
		}
		return nil, listing
	}
	var found, known []string
	for i := range all.Items {
		one := &all.Items[i]
		wire := one.WireName()
		if qualified && string(one.Spec.Owner.User) == owner && strings.EqualFold(wire, name) || !qualified && strings.EqualFold(wire, typed) {
			found = append(found, one.Name)
			w = *one
		}
		known = append(known, one.Name)
	}
	switch len(found) {
	case 1:
		return &w, nil
	case 0:
		hint := ""
		if near := fault.Nearest(typed, known); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return nil, fail("kubectl berth list -n "+c.namespace, "there is no workspace %q in namespace %s%s", typed, c.namespace, hint)
	}
	slices.Sort(found)
	return nil, fail("kubectl berth list -n "+c.namespace, "%d workspaces of namespace %s are called %q; name one of %s",
		len(found), c.namespace, typed, strings.Join(found, ", "))
}

// home is the organization's home namespace, where templates stand: that which the namespace is labelled for.
func (c *connection) home(ctx context.Context) string {
	n := metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
	if c.Get(ctx, client.ObjectKey{Name: c.namespace}, &n) == nil {
		if organization := n.Labels[v1alpha1.LabelOrganization]; organization != "" {
			return organization
		}
	}
	return c.namespace // who may not read namespaces is most likely in the home namespace
}
