// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"

	"github.com/berth-dev/berth/apiserver/view"
)

// An address outside is shown as the template has it: no token is ever put where it asks for one.
func TestAdvisory_V13_NoTokenInAnAddress(t *testing.T) {
	for _, address := range []string{
		"https://example.org/?token=$SESSION_TOKEN", "http://example.org/$SESSION_TOKEN", "vscode://x?token=$SESSION_TOKEN",
		"jetbrains-gateway://connect#token=$SESSION_TOKEN", "javascript:alert('$SESSION_TOKEN')",
	} {
		p := parts()
		for i := range p.Version.Spec.Content.Apps {
			if p.Version.Spec.Content.Apps[i].URL != "" {
				p.Version.Spec.Content.Apps[i].URL = address
			}
		}
		seen := false
		for _, resource := range view.Workspace(p, now).LatestBuild.Resources {
			for _, agent := range resource.Agents {
				for _, app := range agent.Apps {
					seen = seen || app.External && app.URL == address
				}
			}
		}
		if !seen {
			t.Errorf("%s is not shown as it stands", address)
		}
	}
}
