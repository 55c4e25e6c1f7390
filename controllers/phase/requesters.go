// SPDX-License-Identifier: Apache-2.0

package phase

import (
	"context"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/identity"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
)

// longestName is how long the name of an initiator may be, in bytes.
const longestName = 253

// Requesters tell who asked for what specs say. The zero value knows nobody.
type Requesters struct {
	// Reader finds Users.
	client.Reader
	// Own is Berth's own namespace; empty where the cluster does not write down who asks.
	Own string
}

// Initiator is who asked for what an object's spec says: the User whose identity that is, the bare name of one that is no
// User's or more than one's, and the system where nobody is known.
func (q Requesters) Initiator(ctx context.Context, o client.Object) (v1alpha1.Initiator, error) {
	if q.Own == "" {
		return v1alpha1.Initiator{Name: v1alpha1.InitiatorSystem}, nil
	}
	who := identity.Requester(o, q.Own)
	if who.Name == "" {
		return v1alpha1.Initiator{Name: v1alpha1.InitiatorSystem}, nil
	}
	var users v1alpha1.UserList
	if err := q.List(ctx, &users, client.MatchingFields{index.Subject: index.SubjectKey(who.Subject())}); err != nil {
		return v1alpha1.Initiator{}, err
	}
	if len(users.Items) != 1 {
		return v1alpha1.Initiator{Name: strings.ToValidUTF8(who.Name[:min(len(who.Name), longestName)], "")}, nil
	}
	u := &users.Items[0]
	return v1alpha1.Initiator{User: u.Name, ID: ids.Of(u).String(), Name: u.WireName()}, nil
}
