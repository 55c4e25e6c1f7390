// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func TestFreeSubnet(t *testing.T) {
	cases := map[string]struct {
		start   uint32
		taken   []netip.Prefix
		want    string
		wantErr bool
	}{
		"the first":                   {start: 0, want: "100.64.0.0/30"},
		"a place of its own":          {start: 3, want: "100.64.0.12/30"},
		"wraps around":                {start: 1 << 20, want: "100.64.0.0/30"},
		"beside a route":              {start: 0, taken: prefixes("100.64.0.0/28"), want: "100.64.0.16/30"},
		"beside one address":          {start: 0, taken: prefixes("100.64.0.2/32"), want: "100.64.0.4/30"},
		"a default route takes none":  {start: 0, taken: prefixes("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"), want: "100.64.0.0/30"},
		"the whole first range taken": {start: 1, taken: prefixes("100.64.0.0/10"), want: "198.18.0.4/30"},
		"all taken":                   {start: 0, taken: prefixes("100.64.0.0/10", "198.18.0.0/15"), wantErr: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := freeSubnet(c.start, c.taken)
			if (err != nil) != c.wantErr {
				t.Fatalf("error %v, want one: %v", err, c.wantErr)
			}
			if err == nil && got.String() != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestUplinksOfTwoClusters(t *testing.T) {
	one, err := NewUplink("berth", nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewUplink("berth-e2e", []netip.Prefix{one.Subnet})
	if err != nil {
		t.Fatal(err)
	}
	if one.Subnet.Overlaps(two.Subnet) || one.Interface == two.Interface || one.Table == two.Table {
		t.Errorf("%+v and %+v collide", one, two)
	}
	if len(one.Interface) > 15 {
		t.Errorf("the kernel does not take %q", one.Interface)
	}
	if !one.Subnet.Contains(one.HostAddress()) || !one.Subnet.Contains(one.InnerAddress()) || one.HostAddress() == one.InnerAddress() {
		t.Errorf("addresses %s and %s in %s", one.HostAddress(), one.InnerAddress(), one.Subnet)
	}
}

func TestParseRoutes(t *testing.T) {
	cases := map[string]struct {
		text string
		want []netip.Prefix
	}{
		"none":  {text: ""},
		"mixed": {text: `[{"dst":"default"},{"dst":"10.1.0.0/16","dev":"x"},{"type":"local","dst":"10.1.0.7"}]`, want: prefixes("10.1.0.0/16", "10.1.0.7/32")},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parseRoutes([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
		})
	}
}
