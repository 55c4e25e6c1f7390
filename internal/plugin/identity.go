// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/identity"
)

// people are the Users as an identity is looked up among them.
type people struct {
	identity.Directory // only UsersBySubject is asked
	users              []v1alpha1.User
}

// UsersBySubject implements identity.Directory.
func (p people) UsersBySubject(_ context.Context, subject v1alpha1.Subject) ([]*v1alpha1.User, error) {
	var found []*v1alpha1.User
	for i := range p.users {
		for _, s := range p.users[i].Spec.Subjects {
			if s == subject {
				found = append(found, &p.users[i])
				break
			}
		}
	}
	return found, nil
}

// me is the User whom the cluster knows this person as.
func (c *connection) me(ctx context.Context) (*v1alpha1.User, error) {
	var review authenticationv1.SelfSubjectReview
	if err := c.Create(ctx, &review); err != nil {
		return nil, err
	}
	var users v1alpha1.UserList
	if err := c.List(ctx, &users); err != nil {
		return nil, err
	}
	info := review.Status.UserInfo
	return identity.Person(ctx, people{users: users.Items}, identity.Kubernetes{Name: info.Username, Groups: info.Groups})
}
