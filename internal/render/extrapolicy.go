// SPDX-License-Identifier: Apache-2.0

package render

import (
	"encoding/json"
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	kjson "sigs.k8s.io/json"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// extraPolicy holds an extra object against what one may be, once its expressions have run. What it may do beyond that
// is for the rights of the organization's service account to say.
type extraPolicy struct {
	*assembly
	extra *compiledExtra
}

// check gives the object's name; what is wrong is noted.
func (p extraPolicy) check(object map[string]any) string {
	at := p.extra.path + ".object"
	typed := reflect.New(p.extra.kind.of).Interface()
	text, err := json.Marshal(object)
	if err == nil {
		var strict []error
		strict, err = kjson.UnmarshalStrict(text, typed)
		for _, e := range strict {
			p.wrong(at, v1alpha1.ReasonPodInvalid, "%v", e)
		}
	}
	if err != nil {
		p.wrong(at, v1alpha1.ReasonPodInvalid, "is no %s: %v", p.extra.kind.Kind, err)
		return ""
	}
	if _, there := object["status"]; there {
		p.wrong(at+".status", v1alpha1.ReasonNotAllowed, "is the cluster's to write; remove the field")
	}
	meta := reflect.ValueOf(typed).Elem().FieldByName("ObjectMeta").Interface().(metav1.ObjectMeta)
	p.checkMeta(at+".metadata", meta)
	switch o := typed.(type) {
	case *corev1.PersistentVolumeClaim:
		// What fills a claim may be another workspace's, and what is bound by name another's volume.
		p.never(at+".spec", o.Spec, "it would take what is not the workspace's; remove the field", "dataSource", "dataSourceRef", "volumeName", "selector")
	case *corev1.Service:
		p.never(at+".spec", o.Spec, "it would catch or forward traffic that is not the workspace's; remove the field",
			"externalIPs", "externalName", "loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges", "healthCheckNodePort")
		if o.Spec.Type != "" && o.Spec.Type != corev1.ServiceTypeClusterIP {
			p.wrong(at+".spec.type", v1alpha1.ReasonNotAllowed, "must be ClusterIP: a workspace is reached through Berth")
		}
	}
	return meta.Name
}

func (p extraPolicy) checkMeta(at string, meta metav1.ObjectMeta) {
	for _, field := range setFields(meta) {
		switch field {
		case "name", "labels", "annotations":
		case "namespace":
			p.wrong(at+".namespace", v1alpha1.ReasonNotAllowed, "is not allowed: the object stands in the workspace's namespace; remove the field")
		default:
			p.wrong(child(at, field), v1alpha1.ReasonNotAllowed, "is not allowed: it is Berth's or the cluster's to write; remove the field")
		}
	}
	keys := policy{assembly: p.assembly}
	keys.checkKeys(at+".labels", meta.Labels)
	keys.checkKeys(at+".annotations", meta.Annotations)
	if p.run == nil {
		return
	}
	if wrong := validation.IsDNS1123Subdomain(meta.Name); len(wrong) > 0 {
		p.wrong(at+".name", v1alpha1.ReasonPodInvalid, "%q cannot be a name: %s", shorten(meta.Name), strings.Join(wrong, "; "))
	}
}

// never refuses fields of a struct that are set.
func (p extraPolicy) never(at string, x any, why string, refused ...string) {
	for _, field := range setFields(x) {
		for _, r := range refused {
			if field == r {
				p.wrong(at+"."+field, v1alpha1.ReasonNotAllowed, "is not allowed: %s", why)
			}
		}
	}
}
