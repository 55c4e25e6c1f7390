// SPDX-License-Identifier: Apache-2.0

package view

import (
	"cmp"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/parameters"
)

// BuildParameters shows the values that a build was made with, in the order of its version; where the version is gone, by
// name.
func BuildParameters(p WorkspaceParts) []codersdk.WorkspaceBuildParameter {
	shown := []codersdk.WorkspaceBuildParameter{}
	if p.Build == nil || p.Build.Spec.Parameters == nil {
		return shown
	}
	values := map[string]v1alpha1.Value{}
	maps.Copy(values, p.Build.Spec.Parameters.Values)
	maps.Copy(values, p.Build.Spec.Parameters.Ephemeral)
	declared := map[string]v1alpha1.Parameter{}
	if p.Version != nil {
		for _, d := range p.Version.Spec.Content.Parameters {
			declared[d.Name] = d
		}
	}
	names := slices.SortedFunc(maps.Keys(values), func(a, b string) int {
		return cmp.Or(cmp.Compare(declared[a].Order, declared[b].Order), cmp.Compare(a, b))
	})
	for _, name := range names {
		shown = append(shown, codersdk.WorkspaceBuildParameter{Name: name, Value: parameters.ToWire(declared[name], values[name])})
	}
	return shown
}

// Inventory is what a build left in the cluster. It stands where Coder's clients expect a provisioner's state, and holds
// names only: no value that could be a secret.
type Inventory struct {
	// Format is the form of this document.
	Format string `json:"format"`
	// Build is the build's id, Number its number.
	Build  uuid.UUID `json:"build"`
	Number int64     `json:"number"`
	// Namespace is where the objects are.
	Namespace string `json:"namespace"`
	// Version is the TemplateVersion that they were made from.
	Version string `json:"version,omitempty"`
	// Objects are the objects.
	Objects []InventoryObject `json:"objects"`
}

// InventoryObject is one object of a workspace.
type InventoryObject struct {
	Kind string `json:"kind"`
	// Resource is its name in the version, Name that of the object; empty when there is none any more.
	Resource  string `json:"resource"`
	Name      string `json:"name,omitempty"`
	UID       string `json:"uid,omitempty"`
	DailyCost int64  `json:"dailyCost,omitempty"`
}

// inventoryFormat is the present form of an Inventory.
const inventoryFormat = "berth.dev/inventory/v1"

// BuildInventory lists the objects that a build left. Names are those of the workspace's present objects, and are left out
// of a build that it is not held to any more.
func BuildInventory(p WorkspaceParts) Inventory {
	b := buildOf(p)
	w := p.Workspace
	inventory := Inventory{Format: inventoryFormat, Build: ids.Build(ids.Of(w), b.Spec.Number), Number: b.Spec.Number, Namespace: w.Namespace, Objects: []InventoryObject{}}
	if b.Spec.VersionRef != nil {
		inventory.Version = string(b.Spec.VersionRef.Name)
	}
	if b.Spec.Transition == v1alpha1.TransitionDelete {
		return inventory
	}
	for _, r := range b.Status.Resources {
		o := InventoryObject{Kind: r.Kind, Resource: r.Name, DailyCost: r.DailyCost}
		if accepted(p, b) {
			o.Name, o.UID = objectOf(w, r)
		}
		inventory.Objects = append(inventory.Objects, o)
	}
	return inventory
}

// objectOf is the object that a resource stands for, as the workspace's status knows it.
func objectOf(w *v1alpha1.Workspace, r v1alpha1.BuildResource) (name, uid string) {
	if r.Kind == podKind && w.Status.Pod != nil {
		return w.Status.Pod.Name, string(w.Status.Pod.UID)
	}
	for _, v := range w.Status.Volumes {
		if r.Kind == "PersistentVolumeClaim" && v.Name == r.Name {
			return v.ClaimName, string(v.UID)
		}
	}
	return "", ""
}
