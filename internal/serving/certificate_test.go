// SPDX-License-Identifier: Apache-2.0

package serving

import (
	"crypto/x509"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func made(t *testing.T, from *material, names []string, now time.Time) *material {
	t.Helper()
	m, err := from.renew(names, now)
	if err != nil {
		t.Fatal(err)
	}
	data, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// trusted checks the leaf as a client does that knows the bundle.
func trusted(m *material, bundle []*x509.Certificate, name string, now time.Time) error {
	roots := x509.NewCertPool()
	for _, c := range bundle {
		roots.AddCert(c)
	}
	_, err := m.leaf.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: now})
	return err
}

func TestRenewal(t *testing.T) {
	names := Names("berth-apiserver", "berth-system")
	first := made(t, nil, names, start)
	for name, c := range map[string]struct {
		names    []string
		after    time.Duration
		wantGood bool
		wantCA   int // certificates in the bundle afterwards
	}{
		"at once":                     {names: names, wantGood: true, wantCA: 1},
		"within two thirds":           {names: names, after: leafLife * 6 / 10, wantGood: true, wantCA: 1},
		"beyond two thirds":           {names: names, after: leafLife * 7 / 10, wantCA: 1},
		"after its end":               {names: names, after: leafLife * 2, wantCA: 1},
		"another name":                {names: append([]string{"other.berth-system.svc"}, names...), wantCA: 1},
		"beyond two thirds of the CA": {names: names, after: caLife * 7 / 10, wantCA: 2},
		"after the CA's end":          {names: names, after: caLife * 2, wantCA: 1},
	} {
		t.Run(name, func(t *testing.T) {
			now := start.Add(c.after)
			if good := first.good(c.names, now); good != c.wantGood {
				t.Errorf("good: %v, want %v", good, c.wantGood)
			}
			next := made(t, first, c.names, now)
			if !next.good(c.names, now) {
				t.Error("the new one is not good")
			}
			for _, dns := range c.names {
				if err := trusted(next, next.bundle, dns, now); err != nil {
					t.Errorf("%s: %v", dns, err)
				}
			}
			if len(next.bundle) != c.wantCA {
				t.Errorf("%d CAs in the bundle, want %d", len(next.bundle), c.wantCA)
			}
			if c.wantCA == 2 {
				if err := trusted(first, next.bundle, names[0], start); err != nil {
					t.Errorf("who got the new bundle does not trust a replica that still serves with the old leaf: %v", err)
				}
			}
			if err := trusted(next, next.bundle, "elsewhere.test", now); err == nil {
				t.Error("it is good for any name")
			}
		})
	}
}

// What is damaged is refused as a whole, and nothing of it is repeated.
func TestAdvisory_V59_DamagedMaterialIsRefused(t *testing.T) {
	good, err := made(t, nil, []string{"x"}, start).encode()
	if err != nil {
		t.Fatal(err)
	}
	other, err := made(t, nil, []string{"x"}, start).encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{fieldCertificate, fieldKey, fieldBundle, fieldCAKey} {
		for name, value := range map[string][]byte{
			"absent": nil, "no PEM": []byte("x"), "another's": other[field], "a bomb": make([]byte, 1<<20),
			"an empty block": []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
		} {
			damaged := map[string][]byte{}
			for k, v := range good {
				damaged[k] = v
			}
			damaged[field] = value
			m, err := decode(damaged)
			if err == nil && m.good([]string{"x"}, start) {
				t.Errorf("%s %s: it is taken", field, name)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	m, err := (*material)(nil).renew([]string{"x"}, start)
	if err != nil {
		f.Fatal(err)
	}
	data, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[fieldCertificate], data[fieldKey], data[fieldBundle], data[fieldCAKey])
	f.Fuzz(func(t *testing.T, certificate, key, bundle, caKey []byte) {
		read, err := decode(map[string][]byte{fieldCertificate: certificate, fieldKey: key, fieldBundle: bundle, fieldCAKey: caKey})
		if err == nil {
			read.good([]string{"x"}, start)
		}
	})
}
