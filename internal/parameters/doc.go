// SPDX-License-Identifier: Apache-2.0

// Package parameters decides what the value of a template's parameter may be: whether a declaration makes sense, which
// value a build takes, how a value is written on the wire and in the environment. Both processes use it, so that the
// API's early refusal and the manager's are the same sentence. It does not evaluate expressions (package render does),
// and it stores nothing.
//
// A value has one form a type, here called canonical: text as a JSON string, an integer in digits, a number as
// encoding/json writes it, true or false, and an array as a JSON list of strings without space.
package parameters
