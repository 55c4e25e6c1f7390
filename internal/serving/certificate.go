// SPDX-License-Identifier: Apache-2.0

package serving

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	// caLife and leafLife are how long certificates are good for. At two thirds of its life each is replaced.
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 90 * 24 * time.Hour
	// skew is how far clocks may be apart.
	skew = 5 * time.Minute

	typeCertificate = "CERTIFICATE"
	typeKey         = "PRIVATE KEY"
)

// material is what the Secret holds: a CA with its key, and a leaf that it signed.
type material struct {
	// bundle holds the signing CA first, then the one before it, so that who still knows only that one can be served.
	bundle []*x509.Certificate
	caKey  crypto.Signer
	leaf   tls.Certificate
}

// renew makes a new leaf for the names, and a new CA where the old one is over or absent.
func (m *material) renew(names []string, now time.Time) (*material, error) {
	next := &material{}
	if m != nil {
		next.bundle, next.caKey = m.bundle, m.caKey
	}
	if len(next.bundle) == 0 || !fresh(next.bundle[0], now) {
		ca, key, err := newCA(now)
		if err != nil {
			return nil, err
		}
		bundle := []*x509.Certificate{ca}
		if len(next.bundle) > 0 && now.Before(next.bundle[0].NotAfter) {
			bundle = append(bundle, next.bundle[0])
		}
		next.bundle, next.caKey = bundle, key
	}
	leaf, err := newLeaf(next.bundle[0], next.caKey, names, now)
	if err != nil {
		return nil, err
	}
	next.leaf = leaf
	return next, nil
}

// good tells whether nothing is to be done: both certificates are young enough, and the leaf is for all names.
func (m *material) good(names []string, now time.Time) bool {
	if !fresh(m.bundle[0], now) || !fresh(m.leaf.Leaf, now) || m.leaf.Leaf.CheckSignatureFrom(m.bundle[0]) != nil {
		return false
	}
	for _, name := range names {
		if m.leaf.Leaf.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

// fresh tells whether a certificate is within the first two thirds of its life.
func fresh(c *x509.Certificate, now time.Time) bool {
	return now.After(c.NotBefore) && now.Before(c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore)*2/3))
}

func newCA(now time.Time) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "berth-serving-ca"},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(caLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	ca, err := x509.ParseCertificate(der)
	return ca, key, err
}

func newLeaf(ca *x509.Certificate, caKey crypto.Signer, names []string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := newSerial()
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: names[0]},
		DNSNames:     names,
		NotBefore:    now.Add(-skew),
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// The fields of the Secret; the first two are those of every Secret of the type kubernetes.io/tls.
const (
	fieldCertificate = "tls.crt"
	fieldKey         = "tls.key"
	fieldBundle      = "ca.crt"
	fieldCAKey       = "ca.key"
)

// encode is the material as the Secret's data.
func (m *material) encode() (map[string][]byte, error) {
	key, err := x509.MarshalPKCS8PrivateKey(m.leaf.PrivateKey)
	if err != nil {
		return nil, err
	}
	caKey, err := x509.MarshalPKCS8PrivateKey(m.caKey)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		fieldCertificate: pem.EncodeToMemory(&pem.Block{Type: typeCertificate, Bytes: m.leaf.Certificate[0]}),
		fieldKey:         pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: key}),
		fieldBundle:      encodeBundle(m.bundle),
		fieldCAKey:       pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: caKey}),
	}, nil
}

func encodeBundle(bundle []*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, c := range bundle {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: typeCertificate, Bytes: c.Raw}))
	}
	return text.Bytes()
}

// decode reads the material from the Secret's data. Its errors quote nothing of it.
func decode(data map[string][]byte) (*material, error) {
	leaf, err := tls.X509KeyPair(data[fieldCertificate], data[fieldKey])
	if err != nil {
		return nil, errors.New("the serving certificate and its key don't go together")
	}
	m := &material{leaf: leaf}
	for rest := data[fieldBundle]; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil || block.Type != typeCertificate || len(m.bundle) == 8 {
			return nil, fmt.Errorf("%s is no bundle of certificates", fieldBundle)
		}
		m.bundle = append(m.bundle, c)
	}
	block, _ := pem.Decode(data[fieldCAKey])
	if block == nil || len(m.bundle) == 0 {
		return nil, errors.New("the CA or its key is missing")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("the CA's key is unreadable")
	}
	m.caKey = signer
	if public, ok := signer.Public().(*ecdsa.PublicKey); !ok || !public.Equal(m.bundle[0].PublicKey) {
		return nil, errors.New("the CA and its key don't go together")
	}
	return m, nil
}
