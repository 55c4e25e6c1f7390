// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/codersdk"
)

const (
	// maxValue is how many bytes of JSON a value may have to be shown; of longer ones the digest is.
	maxValue = 512
	// maxFields is how many fields a difference names.
	maxFields = 100
	// more is the field that stands for those beyond maxFields.
	more = "…"
)

// masked are fields, by their first step below the spec, whose values nobody may read in the log: people put tokens into
// the parameters of their workspaces.
var masked = []string{"parameters"}

// digested are fields of which only the digest is shown: the content of a template holds scripts, files and environments.
var digested = []string{"content"}

// Diff is what differs between two specs, by the path of the field below the spec; either may be nil. Values that nobody
// may read are left out, and so are long ones.
func Diff(before, after any) (codersdk.AuditDiff, error) {
	old, err := leaves(before)
	if err != nil {
		return nil, err
	}
	new, err := leaves(after)
	if err != nil {
		return nil, err
	}
	diff := codersdk.AuditDiff{}
	for _, path := range slices.Sorted(maps.Keys(union(old, new))) {
		a, b := old[path], new[path]
		if reflect.DeepEqual(a, b) {
			continue
		}
		if len(diff) == maxFields {
			diff[more] = codersdk.AuditDiffField{New: "and further fields"}
			break
		}
		diff[path] = field(path, a, b)
	}
	return diff, nil
}

// Secret is the difference of a field whose values nobody may read.
func Secret() codersdk.AuditDiffField { return codersdk.AuditDiffField{Old: "", New: "", Secret: true} }

// Merge adds a later difference to an earlier one of the same object.
func Merge(earlier, later codersdk.AuditDiff) codersdk.AuditDiff {
	if len(earlier) == 0 {
		return later
	}
	merged := maps.Clone(earlier)
	for path, f := range later {
		if first, ok := earlier[path]; ok {
			f.Old = first.Old
			f.Secret = f.Secret || first.Secret
		}
		merged[path] = f
	}
	return merged
}

func field(path string, old, new any) codersdk.AuditDiffField {
	top, _, _ := strings.Cut(path, ".")
	if slices.Contains(masked, top) {
		return Secret()
	}
	return codersdk.AuditDiffField{Old: shown(top, old), New: shown(top, new)}
}

// shown is a value as the log has it; nil when there is none.
func shown(top string, value any) any {
	if value == nil {
		return nil
	}
	data, err := json.Marshal(value)
	if err == nil && len(data) <= maxValue && !slices.Contains(digested, top) {
		return value
	}
	sum := sha256.Sum256(data)
	return fmt.Sprintf("sha256:%s (%d bytes)", hex.EncodeToString(sum[:8]), len(data))
}

// leaves are the values of a spec that are no objects, by their paths. Digested fields are one leaf each.
func leaves(spec any) (map[string]any, error) {
	found := map[string]any{}
	if spec == nil || (reflect.ValueOf(spec).Kind() == reflect.Pointer && reflect.ValueOf(spec).IsNil()) {
		return found, nil
	}
	data, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encoding a spec: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, fmt.Errorf("reading a spec: %w", err)
	}
	var walk func(at string, value any)
	walk = func(at string, value any) {
		inner, ok := value.(map[string]any)
		if !ok || slices.Contains(digested, at) {
			found[at] = value
			return
		}
		for key, value := range inner {
			walk(at+"."+key, value)
		}
	}
	for key, value := range tree {
		walk(key, value)
	}
	return found, nil
}

func union(a, b map[string]any) map[string]struct{} {
	all := make(map[string]struct{}, len(a)+len(b))
	for key := range a {
		all[key] = struct{}{}
	}
	for key := range b {
		all[key] = struct{}{}
	}
	return all
}
