// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/manifest"
)

// A finding of doctor: what was looked at, how it is, and what puts it right.
type symptom struct {
	What   string `json:"what"`
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// The words for how something is.
const (
	well    = "ok"
	odd     = "warn"
	broken  = "broken"
	unknown = "unknown"
)

func (s *session) doctor() *cobra.Command {
	var o output
	var namespace string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "See whether Berth is well in this cluster; exit 1 where something is broken",
		Args:  cobra.NoArgs,
		RunE: s.run(func(ctx context.Context, _ []string) error {
			if err := o.check("kubectl berth doctor --help"); err != nil {
				return err
			}
			c, err := s.connect()
			if err != nil {
				return err
			}
			found := []symptom{c.kinds()}
			found = append(found, c.processes(ctx, namespace)...)
			found = append(found, c.aggregation(ctx), c.policies(ctx), c.storage(ctx), c.organizations(ctx))
			if done, err := o.machine(s.Out, map[string]any{"items": found}); err != nil {
				return err
			} else if !done {
				var rows [][]string
				for _, f := range found {
					rows = append(rows, []string{f.What, f.Status, f.Detail, f.Remedy})
				}
				if err := table(s.Out, []string{"WHAT", "STATUS", "DETAIL", "REMEDY"}, rows); err != nil {
					return err
				}
			}
			if slices.ContainsFunc(found, func(f symptom) bool { return f.Status == broken }) {
				return silent(exitFailed)
			}
			return nil
		}),
	}
	o.add(c)
	c.Flags().StringVar(&namespace, "berth-namespace", "berth-system", "the namespace that Berth runs in")
	return c
}

// look is what is said of something that could not be read.
func look(what string, err error, remedy string) symptom {
	if apierrors.IsForbidden(err) {
		return symptom{what, unknown, "you may not see it", "kubectl auth can-i --list"}
	}
	return symptom{what, broken, single(err.Error()), remedy}
}

// kinds asks whether the cluster serves all of Berth's kinds.
func (c *connection) kinds() symptom {
	const what, remedy = "kinds", "helm upgrade --install berth charts/berth -n berth-system"
	core, err := c.core()
	if err != nil {
		return look(what, err, remedy)
	}
	served, err := core.Discovery().ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
	if err != nil {
		return look(what, err, remedy)
	}
	var missing []string
	checker, err := manifest.NewChecker()
	if err != nil {
		return look(what, err, remedy)
	}
	for _, kind := range checker.Kinds() {
		if !slices.ContainsFunc(served.APIResources, func(r metav1.APIResource) bool { return r.Kind == kind }) {
			missing = append(missing, kind)
		}
	}
	if len(missing) > 0 {
		return symptom{what, broken, "not served: " + strings.Join(missing, ", "), remedy}
	}
	return symptom{What: what, Status: well, Detail: v1alpha1.GroupVersion.String()}
}

// processes asks whether the manager and the API server are there.
func (c *connection) processes(ctx context.Context, namespace string) []symptom {
	var found []symptom
	for _, name := range []string{"berth-manager", "berth-apiserver"} {
		var d appsv1.Deployment
		err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &d)
		see := fmt.Sprintf("kubectl get pods -n %s", namespace)
		switch {
		case err != nil:
			found = append(found, look(name, err, see))
		case d.Status.ReadyReplicas == 0:
			found = append(found, symptom{name, broken, "no replica is ready", fmt.Sprintf("kubectl describe deployment %s -n %s", name, namespace)})
		default:
			found = append(found, symptom{What: name, Status: well, Detail: count(int(d.Status.ReadyReplicas), "ready replica")})
		}
	}
	return found
}

// aggregation asks whether the API answers through Kubernetes. Without it everything but the list of your own goes on.
func (c *connection) aggregation(ctx context.Context) symptom {
	const what = "aggregated API"
	var u unstructured.Unstructured
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"})
	err := c.Get(ctx, client.ObjectKey{Name: "v2.codersdk.berth.dev"}, &u)
	if apierrors.IsNotFound(err) {
		return symptom{what, odd, "there is none: it is switched off, or no API server is ready", "kubectl get pods -n berth-system"}
	}
	if err != nil {
		return look(what, err, "kubectl get apiservices")
	}
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions") // without any it is not available
	for _, entry := range conditions {
		if cond, ok := entry.(map[string]any); ok && cond["type"] == "Available" && cond["status"] == "True" {
			return symptom{What: what, Status: well, Detail: "available"}
		}
	}
	return symptom{what, broken, "not available: deleting any namespace of the cluster may hang", "kubectl describe apiservice v2.codersdk.berth.dev"}
}

// policies asks whether the admission policies are there.
func (c *connection) policies(ctx context.Context) symptom {
	const what = "admission policies"
	var all unstructured.UnstructuredList
	all.SetGroupVersionKind(schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingAdmissionPolicyList"})
	if err := c.List(ctx, &all); err != nil {
		return look(what, err, "kubectl get validatingadmissionpolicies")
	}
	n := 0
	for _, p := range all.Items {
		if strings.HasPrefix(p.GetName(), "berth-") {
			n++
		}
	}
	if n == 0 {
		return symptom{what, odd, "there are none: refusals come from the manager, later", "helm upgrade berth charts/berth -n berth-system --reuse-values --set policies.enabled=true"}
	}
	return symptom{What: what, Status: well, Detail: fmt.Sprintf("%d of them", n)}
}

// storage asks whether claims without a class get a volume.
func (c *connection) storage(ctx context.Context) symptom {
	const what = "default StorageClass"
	var all storagev1.StorageClassList
	if err := c.List(ctx, &all); err != nil {
		return look(what, err, "kubectl get storageclass")
	}
	for _, class := range all.Items {
		if class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" {
			return symptom{What: what, Status: well, Detail: class.Name}
		}
	}
	return symptom{what, odd, "there is none: templates must name one in volumeClaims[].storageClassName", "kubectl get storageclass"}
}

// organizations asks whether there is one that workspaces could be made in.
func (c *connection) organizations(ctx context.Context) symptom {
	const what = "organizations"
	var all v1alpha1.OrganizationList
	if err := c.List(ctx, &all); err != nil {
		return look(what, err, "kubectl get borg")
	}
	if len(all.Items) == 0 {
		return symptom{what, odd, "there is none", `printf '{"apiVersion":"berth.dev/v1alpha1","kind":"Organization","metadata":{"name":"team"}}' | kubectl apply -f -`}
	}
	return symptom{What: what, Status: well, Detail: count(len(all.Items), "organization")}
}
