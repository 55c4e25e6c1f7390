// SPDX-License-Identifier: Apache-2.0

// Package outbound is how this process asks the servers that a deployment names, such as identity providers and git hosts.
// What is sent there holds secrets, and what comes back decides who somebody is, so both are bounded.
package outbound

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// Timeout is how long a provider may take for one answer, redirects included.
	Timeout = 10 * time.Second
	// maxAnswer is how many bytes one answer of a provider may have.
	maxAnswer = 1 << 20
	// maxRedirects is how often an answer may lead elsewhere on the same host.
	maxRedirects = 3
)

// Client asks providers: with verified TLS, in bounded time, for answers of a bounded size, and from no other host than
// the one that was meant, since what is sent holds secrets.
func Client() *http.Client {
	return &http.Client{
		Timeout: Timeout,
		Transport: bounded{&http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: Timeout}).DialContext,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   Timeout,
			ResponseHeaderTimeout: Timeout,
			IdleConnTimeout:       time.Minute,
			MaxIdleConnsPerHost:   4,
			ForceAttemptHTTP2:     true,
		}},
		CheckRedirect: func(to *http.Request, via []*http.Request) error {
			if first := via[0].URL; to.URL.Scheme != first.Scheme || to.URL.Host != first.Host {
				return fmt.Errorf("%s leads to another host, %s", first.Host, to.URL.Host)
			}
			if len(via) > maxRedirects {
				return errors.New("too many redirects")
			}
			return nil
		},
	}
}

// bounded ends an answer with an error when it is too large.
type bounded struct{ next http.RoundTripper }

// RoundTrip asks.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{http.MaxBytesReader(nil, response.Body, maxAnswer), response.Body}
	return response, nil
}

// CheckURL says what keeps a provider's URL from being used: only https is, and http to this very machine.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Errorf("%q: want https://HOST", text)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q: want https://HOST, so that nobody in between can say who somebody is", text)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
