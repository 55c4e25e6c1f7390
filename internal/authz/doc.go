// SPDX-License-Identifier: Apache-2.0

// Package authz decides who may do what. It is a function of who asks, what is asked and what it is asked of: no client,
// no clock, no state. Roles, memberships and access lists of Users, Groups, Organizations and Templates are its one
// source; what they leave out gives no right.
//
// It does not find out who asks (apiserver/authn and internal/identity do), and it does not answer: what Read refuses
// does not exist for the caller (404), and what another action refuses is forbidden (403); apiserver/httpapi says so.
package authz
