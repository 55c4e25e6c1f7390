// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
)

// gitKey shows the public half of a person's git key. The key is made at the first look, so that everybody has one,
// whoever made the account and by whatever door; a second look changes nothing.
func (h *Handlers) gitKey(ctx context.Context, u *v1alpha1.User, _ httpapi.None) (codersdk.GitSSHKey, error) {
	k, err := h.Credentials.GitKey(ctx, u, ids.Of(u))
	return shownGitKey(u, k), err
}

// rotateGitKey replaces a person's git key. Git providers refuse the old one once they are given the new.
func (h *Handlers) rotateGitKey(ctx context.Context, u *v1alpha1.User, _ httpapi.None) (codersdk.GitSSHKey, error) {
	k, err := h.Credentials.RotateGitKey(ctx, u, ids.Of(u))
	return shownGitKey(u, k), err
}

func shownGitKey(u *v1alpha1.User, k credentials.GitKey) codersdk.GitSSHKey {
	return codersdk.GitSSHKey{UserID: ids.Of(u), CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt, PublicKey: k.Public}
}
