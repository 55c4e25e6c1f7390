// SPDX-License-Identifier: Apache-2.0

package apiserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// authority is a CA of a test.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(name string) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	return authority{certificate, key}, err
}

// pem is the CA's certificate as files hold it.
func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// client is a client certificate of the common name.
func (a authority) client(name string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// frontProxy is what a kube-apiserver needs to vouch for people: a CA, a certificate of it and the name on that.
type frontProxy struct {
	authority
	name                      string
	certificate               *tls.Certificate
	caFile, certFile, keyFile string
}

func newFrontProxy(dir string) (frontProxy, error) {
	ca, err := newAuthority("front-proxy-ca")
	if err != nil {
		return frontProxy{}, err
	}
	p := frontProxy{authority: ca, name: "front-proxy-client", caFile: filepath.Join(dir, "ca.crt"),
		certFile: filepath.Join(dir, "client.crt"), keyFile: filepath.Join(dir, "client.key")}
	if p.certificate, err = ca.client(p.name); err != nil {
		return frontProxy{}, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(p.certificate.PrivateKey)
	if err != nil {
		return frontProxy{}, err
	}
	return p, errors.Join(
		os.WriteFile(p.caFile, ca.pem(), 0o600),
		os.WriteFile(p.certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate.Certificate[0]}), 0o600),
		os.WriteFile(p.keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600),
	)
}
