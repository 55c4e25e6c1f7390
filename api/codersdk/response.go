// SPDX-License-Identifier: Apache-2.0

package codersdk

// Response is the body of every refusal and of the few successes that have nothing else to say. Clients show Message and
// Detail to the person as they are, so neither ever holds a secret or an internal error.
type Response struct {
	// Message is one sentence for the person.
	Message string `json:"message"`
	// Detail adds what helps to mend the request; left out when there is nothing to add.
	Detail string `json:"detail,omitempty"`
	// Validations names each input that was refused; left out when no single input is to blame.
	Validations []ValidationError `json:"validations,omitempty"`
}

// ValidationError says what is wrong with one input.
type ValidationError struct {
	// Field is the JSON key of the body's field, or the name of the query or path parameter.
	Field string `json:"field"`
	// Detail says what would be right.
	Detail string `json:"detail"`
}
