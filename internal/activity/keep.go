// SPDX-License-Identifier: Apache-2.0

package activity

import (
	"crypto/sha256"
	"encoding/hex"
)

const (
	// Label on a ConfigMap in Berth's own namespace says that it holds the record of a template; its value is "template".
	Label = "berth.dev/activity"
	// LabelTemplate is Label's value.
	LabelTemplate = "template"
	// AnnotationUID on such a ConfigMap is the uid of the Template, so that a successor of its name begins anew.
	AnnotationUID = "berth.dev/template-uid"
	// AnnotationAt on such a ConfigMap is when it was last written, in RFC 3339.
	AnnotationAt = "berth.dev/recorded-at"
	// Key is the record's key in its binaryData.
	Key = "record"
)

// Name is the name of the ConfigMap with the record of a template.
func Name(namespace, template string) string {
	sum := sha256.Sum256([]byte(namespace + "/" + template))
	return "berth-activity-" + hex.EncodeToString(sum[:10])
}
