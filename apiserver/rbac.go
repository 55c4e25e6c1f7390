// SPDX-License-Identifier: Apache-2.0

package apiserver

// What the API server may do, whoever asks it; controller-gen makes the chart's roles of it. It reads every kind of ours
// and writes what calls change; credentials, the audit log, claims of names, records of use and its certificate are in Berth's
// own namespace. It has no right over pods or claims. How to know the kube-apiserver it reads from kube-system, by a
// RoleBinding of the chart to Kubernetes' own Role.
//
// +kubebuilder:rbac:groups=berth.dev,resources=organizations;users;groups;templates;templateversions;workspaces;workspacebuilds;deletedworkspaces;warmworkspaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=berth.dev,resources=dryruns,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=berth.dev,resources=users,verbs=create;patch;delete
// +kubebuilder:rbac:groups=berth.dev,resources=users/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=groups,verbs=create;patch;delete
// +kubebuilder:rbac:groups=berth.dev,resources=organizations,verbs=create;patch
// +kubebuilder:rbac:groups=berth.dev,resources=templates,verbs=create;patch;delete
// +kubebuilder:rbac:groups=berth.dev,resources=templateversions,verbs=create;patch
// +kubebuilder:rbac:groups=berth.dev,resources=workspaces,verbs=create;patch;delete
// +kubebuilder:rbac:groups=berth.dev,resources=workspaces/status,verbs=patch
// +kubebuilder:rbac:groups=berth.dev,resources=workspacebuilds,verbs=create;patch
// +kubebuilder:rbac:groups=berth.dev,resources=warmworkspaces;warmworkspaces/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
//
// Agents' tokens are verified by the cluster's keys, which every service account may read; where it may not, the cluster is
// asked.
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
//
// Who may get which role, who is in which group, whom a template lets in and who makes organizations, is decided before the
// write, by internal/authz; the policies ask for this verb of the writer.
// +kubebuilder:rbac:groups=berth.dev,resources=users;groups;organizations;templates,verbs=escalate
// +kubebuilder:rbac:groups=berth.dev,resources=owners,verbs=own
// +kubebuilder:rbac:groups=berth.dev,resources=templates,verbs=use
//
// +kubebuilder:rbac:groups="",namespace=berth-system,resources=secrets,verbs=get;list;watch;create;update;patch;delete
// +kubebuilder:rbac:groups="",namespace=berth-system,resources=configmaps,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",namespace=berth-system,resources=configmaps,resourceNames=berth-serving-ca,verbs=get;update
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=berth-system,resources=leases,verbs=get;list;create;update;delete
