// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// WarmPool keeps workspaces of a template prepared, which belong to nobody until a new workspace claims one: its pod runs
// and its volumes are filled already. The pool is for workspaces in the organization's home namespace that run the active
// version with the pool's parameters; any other starts as it would without a pool.
//
// +kubebuilder:validation:XValidation:rule="!has(self.demand) || self.demand.max >= self.size",message="demand.max must be at least size"
type WarmPool struct {
	// Size is how many prepared workspaces are kept ready; 0 keeps none but for what schedule and demand ask for.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Size int32 `json:"size"`

	// Parameters are what the prepared workspaces are rendered with, by name; a parameter that is absent has its default.
	// +optional
	// +kubebuilder:validation:MaxProperties=128
	Parameters map[string]Value `json:"parameters,omitempty"`

	// Schedule changes the size at times that return. The entry whose time came last holds; until the first has come, size
	// does.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Schedule []WarmPoolSize `json:"schedule,omitempty"`

	// Demand keeps more than that ready while many workspaces are being made.
	// +optional
	Demand *WarmPoolDemand `json:"demand,omitempty"`
}

// WarmPoolSize is the size of a pool from a time on.
type WarmPoolSize struct {
	Schedule `json:",inline"`

	// Size is how many prepared workspaces are kept ready from then on.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Size int32 `json:"size"`
}

// WarmPoolDemand has a pool follow what is asked for: it keeps as many ready as new workspaces of the template were made
// within the window.
type WarmPoolDemand struct {
	// Max is the most that demand keeps ready.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Max int32 `json:"max"`

	// Window is how far back new workspaces count; absent means 1h.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(h|m|s))+$') || (duration(self) >= duration('1m') && duration(self) <= duration('168h'))",message="must be between 1m and 168h"
	Window Duration `json:"window,omitempty"`
}

// WarmPoolStatus is how a template's pool stands.
type WarmPoolStatus struct {
	// Wanted is how many prepared workspaces are to be ready now.
	Wanted int32 `json:"wanted"`

	// Ready is how many can be claimed.
	Ready int32 `json:"ready"`

	// Preparing is how many are on their way.
	// +optional
	Preparing int32 `json:"preparing,omitempty"`

	// Message says why the pool is not as wanted, where something stands in its way.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}
