// SPDX-License-Identifier: Apache-2.0

package signin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"
)

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
