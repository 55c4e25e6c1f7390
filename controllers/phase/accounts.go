// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Accounts gives a client that acts with the rights of a ServiceAccount and no other. It reads from no cache.
type Accounts func(namespace, name string) (client.Client, error)

// Impersonating is Accounts for whoever the configuration is of: that identity must have the right to impersonate
// ServiceAccounts in the namespace.
func Impersonating(config *rest.Config, scheme *runtime.Scheme, mapper meta.RESTMapper) Accounts {
	return func(namespace, name string) (client.Client, error) {
		as := rest.CopyConfig(config)
		as.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":" + name}
		return client.New(as, client.Options{Scheme: scheme, Mapper: mapper})
	}
}
