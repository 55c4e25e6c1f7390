// SPDX-License-Identifier: Apache-2.0

// Package contract holds the project's own copy of the facts of the codersdk HTTP API, and the checker that compares our
// answers, requests and Go types with them.
//
// The facts are two files in facts: endpoints.tsv, a line an endpoint (method, path, tag, who may call, statuses, request
// and response), and schemas.txt, the JSON shapes that those endpoints carry. They are written by hack/contract and never
// by hand. What the package does not own: which answer is right for a given state (the tests of the API server prove
// that), which endpoints are built (the route tables say that), and values beyond their type.
//
// Notation of schemas.txt. A line "object NAME" is followed by one indented line for each property: its JSON key, its
// type, and flags. "enum NAME" is followed by its values, "alias NAME" by a type on the same line.
//
//	types  string integer number boolean any object never uuid time, another schema's name, []T, map[T], T|KIND where
//	       another JSON kind will do as well, enum("a","b"), object(key:T,key:T)
//	flags  required   clients must send it, and answers always hold it
//	       omitempty  may be left out of an answer
//	       null       may be null
//	       later      younger than the API's first edition: may be left out, be null, or be of any shape that fits
//	object anycase    request keys are compared without regard to case
//	       wire=KIND  travels as that JSON kind as well
//	       also=NAME  an answer may hold that schema's properties too
//
// Every other property must be in an answer and must not be null. The checker is stricter than clients are: a property
// that the facts do not know is an error, a time must be in UTC, and an id must be a UUID.
package contract
