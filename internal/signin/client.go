// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
)

const (
	// timeout is how long a provider may take for one answer, redirects included.
	timeout = 10 * time.Second
	// maxAnswer is how many bytes one answer of a provider may have.
	maxAnswer = 1 << 20
	// maxRedirects is how often an answer may lead elsewhere on the same host.
	maxRedirects = 3
)

// newClient asks providers: with verified TLS, in bounded time, for answers of a bounded size, and from no other host than
// the one that was meant, since what is sent holds secrets.
func newClient() *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: bounded{&http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: timeout}).DialContext,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   timeout,
			ResponseHeaderTimeout: timeout,
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

// exchangeError is what a refused request for tokens means. Its text holds nothing that was sent, or sent back.
func exchangeError(err error) error {
	var said *oauth2.RetrieveError
	if !errors.As(err, &said) {
		var lost *url.Error
		if errors.As(err, &lost) {
			return unreachable(err)
		}
		return unproven(errors.New("the token endpoint's answer holds no token"))
	}
	status := 0
	if said.Response != nil {
		status = said.Response.StatusCode
	}
	cause := fmt.Errorf("the token endpoint says %q, status %d", said.ErrorCode, status)
	switch {
	case said.ErrorCode == "invalid_grant" || said.ErrorCode == "bad_verification_code" || said.ErrorCode == "bad_refresh_token":
		return unproven(errors.Join(ErrEnded, cause))
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests || said.ErrorCode != "":
		return unreachable(cause)
	}
	return unproven(cause)
}
