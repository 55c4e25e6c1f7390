// SPDX-License-Identifier: Apache-2.0

package addons

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReachable(t *testing.T) {
	cases := map[string]struct {
		text string
		want []string
	}{
		"two":               {text: "search x\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n", want: []string{"192.0.2.1", "192.0.2.2"}},
		"a local resolver":  {text: "nameserver 127.0.0.53\n"},
		"IPv6 has no way":   {text: "nameserver 2001:db8::1\nnameserver fe80::1%eth0\n"},
		"comments and junk": {text: "# nameserver 192.0.2.1\nnameserver\nnameserver x\n"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, addr := range reachable(c.text) {
				got = append(got, addr.String())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestManifests(t *testing.T) {
	cases := map[string]struct {
		render        func() ([]byte, error)
		want, wantNot string
	}{
		"names outside are forwarded": {
			render: DNS{Image: "i", Address: "10.96.0.10", Resolvers: []netip.Addr{netip.MustParseAddr("192.0.2.1")}}.Manifests,
			want:   "        forward . 192.0.2.1\n        cache 30",
		},
		"there is no outside": {
			render: DNS{Image: "i", Address: "10.96.0.10"}.Manifests,
			want:   "        prometheus :9153\n        cache 30", wantNot: "forward",
		},
		"volumes lie where they are told": {
			render: Volumes{Image: "i", HelperImage: "h", Folder: "/state/volumes"}.Manifests,
			want:   `"paths":["/state/volumes"]`,
		},
		"without an image the provisioner runs elsewhere": {
			render: Volumes{HelperImage: "h", Folder: "/state/volumes"}.Manifests,
			want:   "kind: StorageClass", wantNot: "kind: Deployment",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			out, err := c.render()
			if err != nil {
				t.Fatal(err)
			}
			if text := string(out); !strings.Contains(text, c.want) || c.wantNot != "" && strings.Contains(text, c.wantNot) {
				t.Errorf("want %q and not %q in:\n%s", c.want, c.wantNot, text)
			}
		})
	}
}
