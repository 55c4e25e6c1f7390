// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"crypto/rand"
	"crypto/sha256"
)

const (
	idLength     = 10
	secretLength = 22
	alphabet     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// token is a key as it travels.
type token struct{ id, secret string }

// newToken makes a key.
func newToken() token { return token{id: letters(idLength), secret: letters(secretLength)} }

// String is the form that is shown once.
func (t token) String() string { return t.id + "-" + t.secret }

// digest is what is kept of the secret.
func (t token) digest() []byte {
	sum := sha256.Sum256([]byte(t.secret))
	return sum[:]
}

// parseToken reads a key. It takes the one form that newToken makes and nothing else.
func parseToken(text string) (token, bool) {
	if len(text) != idLength+1+secretLength || text[idLength] != '-' {
		return token{}, false
	}
	t := token{id: text[:idLength], secret: text[idLength+1:]}
	for _, c := range []byte(t.id + t.secret) {
		if !alphanumeric(c) {
			return token{}, false
		}
	}
	return t, true
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// letters gives n random characters of the alphabet, each as likely as any other.
func letters(n int) string {
	const fair = 256 - 256%len(alphabet)
	text := make([]byte, 0, n)
	for len(text) < n {
		var some [64]byte
		_, _ = rand.Read(some[:]) // it never fails
		for _, b := range some {
			if int(b) < fair && len(text) < n {
				text = append(text, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(text)
}
