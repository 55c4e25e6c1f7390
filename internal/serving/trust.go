// SPDX-License-Identifier: Apache-2.0

package serving

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// URL is where the API server is reached within the cluster, by one of the names that its certificate is for.
func URL(service, namespace string, port int32) string {
	return fmt.Sprintf("https://%s.%s.svc:%d", service, namespace, port)
}

// Bundle is the CA's bundle, in PEM, as the API server last published it. It holds the CA that signs, and the one before.
//
// Who keeps a bundle knows the server for as long as one of its CAs signs. That is more than six years; but a Secret that was
// taken away makes a new CA at once, and who has only the old bundle has to be given the new one.
func Bundle(ctx context.Context, from client.Reader, namespace string) (string, error) {
	published := &corev1.ConfigMap{}
	if err := from.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ConfigMapName}, published); err != nil {
		return "", fmt.Errorf("the API server's CA: %w", err)
	}
	if published.Data[BundleKey] == "" {
		return "", errors.New("the API server has not published its CA yet")
	}
	return published.Data[BundleKey], nil
}
