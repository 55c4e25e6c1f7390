// SPDX-License-Identifier: Apache-2.0

// Package auditlog makes the audit entries of what came by the API and by manifests, has them stored and streamed, and
// serves the log. What an entry is belongs to internal/audit, how entries are kept to internal/records, and who may read
// them to internal/authz.
package auditlog
