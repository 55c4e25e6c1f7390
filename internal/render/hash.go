// SPDX-License-Identifier: Apache-2.0

package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Hash is the SHA-256 of what the author of a content wrote, in hexadecimal: over JSON with sorted keys, without space,
// with numbers as they were written. Names of versions carry its first digits. An error means that the content holds
// bytes that are no JSON, which no object that was stored does.
func Hash(content *v1alpha1.TemplateContent) (string, error) {
	text, err := canonical(content)
	if err != nil {
		return "", fmt.Errorf("hash the content: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// canonical writes x as JSON that depends on nothing but its meaning.
func canonical(x any) ([]byte, error) {
	text, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}
