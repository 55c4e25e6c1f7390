// SPDX-License-Identifier: Apache-2.0

// Package scim reads what identity providers say by SCIM 2.0 (RFC 7643 and 7644): filters, and the operations of a PATCH.
// It knows the few attributes of a User that Berth keeps and reads past the rest, since providers send whatever their
// directory holds. It reads and writes no object.
package scim
