// SPDX-License-Identifier: Apache-2.0

// Package credentials keeps what proves who somebody is: password hashes, API keys, git keys, and what identity
// providers and git hosts gave with a sign-in. They are Secrets in Berth's own namespace, one a user, named by the user's id and gone with the User; no other
// package touches a Secret of a user.
//
// A password is kept as an argon2id hash. A key is "ID-SECRET": ten random characters by which it is found, and 22 that
// prove it, of which only the SHA-256 is kept, as 131 random bits need no slow hash. A key is shown once, when it is
// made. No error and no log line of this package holds a password, a key or a hash.
//
// The package does not decide who may sign in or what a person may do: it says whether a proof is right.
package credentials
