// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// wrote is a mark on an object of who changed the spec in which second.
func wrote(by string, second int) metav1.ManagedFieldsEntry {
	at := metav1.NewTime(time.Date(2026, 1, 31, 9, 0, second, 0, time.UTC))
	return metav1.ManagedFieldsEntry{Manager: by, Operation: "Update", Time: &at}
}

func group(generation int64, marks ...metav1.ManagedFieldsEntry) *v1alpha1.Group {
	return &v1alpha1.Group{ObjectMeta: metav1.ObjectMeta{UID: "u", Generation: generation, ManagedFields: marks}}
}

func build(generation int64, marks ...metav1.ManagedFieldsEntry) *v1alpha1.WorkspaceBuild {
	return &v1alpha1.WorkspaceBuild{ObjectMeta: metav1.ObjectMeta{UID: "u", Generation: generation, ManagedFields: marks}}
}

func TestWhoseChangeItIs(t *testing.T) {
	for name, c := range map[string]struct {
		before, after v1alpha1.Object
		want          bool
		writer        string
	}{
		"made by kubectl":                    {nil, group(1, wrote("kubectl", 1)), true, "kubectl"},
		"made by kubectl, with an id by now": {nil, group(2, wrote("kubectl", 1), wrote(manager, 2)), true, "kubectl"},
		"made by the API":                    {nil, group(1, wrote(apiServer, 1)), true, apiServer},
		"made by the manager":                {nil, group(1, wrote(manager, 1)), false, manager},
		"a build made by the manager":        {nil, build(1, wrote(manager, 1)), true, manager},
		"changed by kubectl":                 {group(1, wrote("kubectl", 1)), group(2, wrote("kubectl", 5)), true, "kubectl"},
		"changed by kubectl in the manager's second": {
			group(2, wrote("kubectl", 1), wrote(manager, 5)), group(3, wrote("kubectl", 5), wrote(manager, 5)), true, "kubectl"},
		"given an id by the manager":                 {group(1, wrote("kubectl", 1)), group(2, wrote("kubectl", 1), wrote(manager, 1)), false, manager},
		"given an id in the second when it was made": {group(1, wrote(apiServer, 1)), group(2, wrote(apiServer, 1), wrote(manager, 1)), false, manager},
		"changed by the API after the manager":       {group(2, wrote(apiServer, 1), wrote(manager, 1)), group(3, wrote(apiServer, 7), wrote(manager, 1)), true, apiServer},
		"changed twice within a second by kubectl":   {group(2, wrote("kubectl", 5)), group(3, wrote("kubectl", 5)), true, "kubectl"},
		"a status, or a label":                       {group(2, wrote("kubectl", 5)), group(2, wrote("kubectl", 5)), false, ""},
		"a build that is cancelled":                  {build(1, wrote(manager, 1)), build(2, wrote(manager, 1), wrote(apiServer, 4)), true, apiServer},
	} {
		t.Run(name, func(t *testing.T) {
			key, wait, ok := judged(c.before, c.after, false)
			if ok != c.want {
				t.Fatalf("it is somebody's deed: %v, want %v", ok, c.want)
			}
			if c.writer != "" && writer(c.before, c.after, c.before == nil) != c.writer {
				t.Errorf("it is %s's", writer(c.before, c.after, c.before == nil))
			}
			if ok && (key.UID != "u" || key.To != c.after.GetGeneration() || (wait == ownGrace) != (c.writer == apiServer)) {
				t.Errorf("%+v waits %s", key, wait)
			}
		})
	}
}

func TestRemovals(t *testing.T) {
	going := group(2)
	now := metav1.Now()
	going.DeletionTimestamp = &now
	for name, c := range map[string]struct {
		before, after v1alpha1.Object
		want          bool
	}{
		"it begins to go":  {group(1), going, true},
		"it goes":          {group(1), nil, true},
		"it goes on going": {going, going, false},
		"a build goes":     {build(1), nil, false},
	} {
		key, _, ok := judged(c.before, c.after, false)
		if ok != c.want || ok && !key.Gone {
			t.Errorf("%s: %v, %+v", name, ok, key)
		}
	}
}
