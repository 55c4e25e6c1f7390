// SPDX-License-Identifier: Apache-2.0

// Package pki makes the keys and certificates of one cluster. It owns their
// files and lifetimes; who uses which is said by package node.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime of all certificates: a kept cluster of a developer should not die of age.
const lifetime = 5 * 365 * 24 * time.Hour

// Leaf is a certificate to make.
type Leaf struct {
	// Name is the files' name without .crt and .key.
	Name string
	// CA names the authority that signs it.
	CA string
	// User and Group become the subject's CN and O.
	User, Group string
	// Hosts are the DNS names and addresses that it serves; none for a client.
	Hosts []string
}

// Ensure makes in dir the authorities, the leaves and a key pair for service
// account tokens (sa.key, sa.pub), unless they were made there before. A change
// of a leaf's hosts needs a new folder.
func Ensure(dir string, authorities []string, leaves []Leaf) error {
	done := filepath.Join(dir, "complete")
	if _, err := os.Stat(done); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("certificates: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	cas := map[string]*authority{}
	for _, name := range authorities {
		ca, err := newAuthority(dir, name)
		if err != nil {
			return fmt.Errorf("certificate authority %s: %w", name, err)
		}
		cas[name] = ca
	}
	for _, leaf := range leaves {
		ca := cas[leaf.CA]
		if ca == nil {
			return fmt.Errorf("certificate %s: there is no authority %q", leaf.Name, leaf.CA)
		}
		if err := ca.issue(dir, leaf); err != nil {
			return fmt.Errorf("certificate %s: %w", leaf.Name, err)
		}
	}
	if err := newTokenKey(dir); err != nil {
		return fmt.Errorf("service account key: %w", err)
	}
	return os.WriteFile(done, nil, 0o600)
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(dir, name string) (*authority, error) {
	template, err := template(pkix.Name{CommonName: name})
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := sign(dir, name, template, key, &authority{cert: template, key: key})
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert: cert, key: key}, err
}

func (ca *authority) issue(dir string, leaf Leaf) error {
	subject := pkix.Name{CommonName: leaf.User}
	if leaf.Group != "" {
		subject.Organization = []string{leaf.Group}
	}
	template, err := template(subject)
	if err != nil {
		return err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, host := range leaf.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if len(leaf.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	_, err = sign(dir, leaf.Name, template, key, ca)
	return err
}

func template(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: subject,
		// Some clock skew inside a virtual machine is usual after a pause.
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(lifetime),
	}, nil
}

// sign writes name.crt and name.key.
func sign(dir, name string, template *x509.Certificate, key *ecdsa.PrivateKey, by *authority) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return der, errors.Join(
		writePEM(filepath.Join(dir, name+".crt"), "CERTIFICATE", der, 0o644),
		writePEM(filepath.Join(dir, name+".key"), "EC PRIVATE KEY", private, 0o600),
	)
}

func newTokenKey(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	return errors.Join(
		writePEM(filepath.Join(dir, "sa.key"), "EC PRIVATE KEY", private, 0o600),
		writePEM(filepath.Join(dir, "sa.pub"), "PUBLIC KEY", public, 0o644),
	)
}

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}
