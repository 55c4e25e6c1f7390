// SPDX-License-Identifier: Apache-2.0

// Package argocd_test runs what Argo CD is given about our kinds, as it stands in the ConfigMap.
package argocd_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

// run gives a script the object, with no library but those that Argo CD opens, and gives back what it returns.
func run(t *testing.T, script string, object map[string]any) any {
	t.Helper()
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			t.Fatal(err)
		}
	}
	// of os Argo CD has the date and the time alone
	clock := l.NewTable()
	l.SetField(clock, "date", l.NewFunction(func(l *lua.LState) int {
		if format := l.CheckString(1); format != "!%Y-%m-%dT%H:%M:%SZ" {
			t.Errorf("the format %q is not one that Berth reads", format)
		}
		l.Push(lua.LString(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).Format(time.RFC3339)))
		return 1
	}))
	l.SetGlobal("os", clock)
	l.SetGlobal("obj", toLua(l, object))
	if err := l.DoString(script); err != nil {
		t.Fatalf("%v in\n%s", err, script)
	}
	return fromLua(l.Get(-1))
}

func toLua(l *lua.LState, x any) lua.LValue {
	switch v := x.(type) {
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		list := l.NewTable()
		for _, entry := range v {
			list.Append(toLua(l, entry))
		}
		return list
	case map[string]any:
		table := l.NewTable()
		for key, entry := range v {
			table.RawSetString(key, toLua(l, entry))
		}
		return table
	}
	return lua.LNil
}

func fromLua(x lua.LValue) any {
	switch v := x.(type) {
	case lua.LString:
		return string(v)
	case lua.LBool:
		return bool(v)
	case lua.LNumber:
		return int64(v)
	case *lua.LTable:
		table := map[string]any{}
		v.ForEach(func(key, entry lua.LValue) { table[key.String()] = fromLua(entry) })
		return table
	}
	return nil
}

// settings are the ConfigMap's entries.
func settings(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("argocd-cm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &config); err != nil {
		t.Fatal(err)
	}
	return config.Data
}

// kinds are all that there are.
func kinds(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../crd/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, regexp.MustCompile(`(?m)^    kind: (\w+)$`).FindStringSubmatch(string(text))[1])
	}
	return all
}

// states are objects in every combination of what a health check looks at.
func states(kind string) map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, ready := range []string{"", "True", "False", "Unknown"} {
		for _, reconciling := range []string{"", "True", "False"} {
			for _, stalled := range []string{"", "True", "False"} {
				for _, seen := range []int64{-1, 1, 2} {
					for _, deleted := range []bool{false, true} {
						if reconciling == "True" && stalled == "True" {
							continue // no object of ours is both, and kstatus goes by which stands first
						}
						var conditions []any
						for i, value := range []string{ready, reconciling, stalled} {
							if name := []string{"Ready", "Reconciling", "Stalled"}[i]; value != "" {
								conditions = append(conditions, map[string]any{"type": name, "status": value, "reason": name + value, "message": name + " is " + value})
							}
						}
						metadata := map[string]any{"name": "a", "namespace": "b", "generation": int64(2)}
						if deleted {
							metadata["deletionTimestamp"] = "2026-11-23T09:00:00Z"
						}
						name := fmt.Sprintf("Ready=%s Reconciling=%s Stalled=%s at %d, deleted %v", ready, reconciling, stalled, seen, deleted)
						all[name] = map[string]any{"apiVersion": "berth.dev/v1alpha1", "kind": kind, "metadata": metadata,
							"status": map[string]any{"observedGeneration": seen, "conditions": conditions}}
					}
				}
			}
		}
	}
	return all
}

// Argo CD and everybody who goes by kstatus say the same of every object that has a Ready condition; of one that has
// none, which kstatus calls healthy, Argo CD says that it is not yet.
func TestHealthAgreesWithKstatus(t *testing.T) {
	want := map[status.Status]string{
		status.CurrentStatus: "Healthy", status.InProgressStatus: "Progressing", status.FailedStatus: "Degraded", status.TerminatingStatus: "Progressing",
	}
	config := settings(t)
	for _, kind := range kinds(t) {
		script := config["resource.customizations.health.berth.dev_"+kind]
		if script == "" {
			t.Errorf("%s has no health check", kind)
			continue
		}
		for name, object := range states(kind) {
			result, err := status.Compute(&unstructured.Unstructured{Object: runtime.DeepCopyJSON(object)})
			if err != nil {
				t.Fatal(err)
			}
			expected := want[result.Status]
			if result.Status == status.CurrentStatus && strings.HasPrefix(name, "Ready= ") {
				expected = "Progressing"
			}
			got, _ := run(t, script, object).(map[string]any)
			if got["status"] != expected || got["message"] == "" || got["message"] == nil {
				t.Errorf("%s, %s: %v, want %s as kstatus says %s", kind, name, got, expected, result.Status)
			}
		}
		if got, _ := run(t, script, map[string]any{"metadata": map[string]any{}}).(map[string]any); got["status"] != "Progressing" {
			t.Errorf("a new %s is %v", kind, got)
		}
	}
}

// What people read is what the conditions say.
func TestHealthSaysWhy(t *testing.T) {
	script := settings(t)["resource.customizations.health.berth.dev_Template"]
	condition := func(kind, value, message string) any {
		return map[string]any{"type": kind, "status": value, "reason": "R", "message": message}
	}
	for message, conditions := range map[string][]any{
		`no parameter "gpu"`:     {condition("Ready", "False", "x"), condition("Stalled", "True", `no parameter "gpu"`)},
		"claim home is pending":  {condition("Ready", "False", "claim home is pending"), condition("Reconciling", "True", "y")},
		"spec.x is not acted on": {condition("Ready", "True", "fine"), condition("PolicyMet", "False", "spec.x is not acted on")},
		"fine":                   {condition("Ready", "True", "fine"), condition("PolicyMet", "True", "")},
		"R":                      {condition("Ready", "True", "")},
	} {
		got, _ := run(t, script, map[string]any{"metadata": map[string]any{}, "status": map[string]any{"conditions": conditions}}).(map[string]any)
		if got["message"] != message {
			t.Errorf("got %v, want %q", got, message)
		}
	}
}

// actions are a kind's, by name, and its discovery.
func actions(t *testing.T, kind string) (discovery string, all map[string]string) {
	t.Helper()
	var parsed struct {
		Discovery   string `json:"discovery.lua"`
		Definitions []struct {
			Name   string `json:"name"`
			Action string `json:"action.lua"`
		} `json:"definitions"`
	}
	if err := yaml.UnmarshalStrict([]byte(settings(t)["resource.customizations.actions.berth.dev_"+kind]), &parsed); err != nil {
		t.Fatal(err)
	}
	all = map[string]string{}
	for _, d := range parsed.Definitions {
		all[d.Name] = d.Action
	}
	return parsed.Discovery, all
}

func TestActionsOfAWorkspace(t *testing.T) {
	discovery, all := actions(t, "Workspace")
	for phase, offered := range map[string]string{
		"Running": "restart stop", "Starting": "stop", "Pending": "stop", "Stopped": "start", "Stopping": "start", "Failed": "start", "Deleting": "", "": "start",
	} {
		object := map[string]any{"spec": map[string]any{}, "status": map[string]any{"phase": phase}}
		found, _ := run(t, discovery, object).(map[string]any)
		var names []string
		for _, name := range []string{"restart", "start", "stop"} {
			action, _ := found[name].(map[string]any)
			if action == nil || all[name] == "" {
				t.Fatalf("no action %s", name)
			}
			if action["disabled"] != true {
				names = append(names, name)
			}
		}
		if got := strings.Join(names, " "); got != offered {
			t.Errorf("%q offers %q, want %q", phase, got, offered)
		}
	}
	for name, transition := range map[string]string{"start": "Start", "stop": "Stop", "restart": "Restart"} {
		changed, _ := run(t, all[name], map[string]any{"spec": map[string]any{"state": "Running"}}).(map[string]any)
		spec := changed["spec"].(map[string]any)
		request, _ := spec["request"].(map[string]any)
		if request["transition"] != transition || request["at"] != "2026-11-23T09:00:00Z" || spec["state"] != "Running" {
			t.Errorf("%s makes %v", name, spec)
		}
	}
}

func TestActionsOfATemplate(t *testing.T) {
	discovery, all := actions(t, "Template")
	running, paused := map[string]any{"spec": map[string]any{}}, map[string]any{"spec": map[string]any{"rollout": map[string]any{"paused": true, "pin": "x"}}}
	for name, test := range map[string]struct {
		object       map[string]any
		pause, after bool
	}{"running": {running, true, true}, "paused": {paused, false, false}} {
		found, _ := run(t, discovery, test.object).(map[string]any)
		if found["pause"].(map[string]any)["disabled"] == test.pause || found["resume"].(map[string]any)["disabled"] != test.pause {
			t.Errorf("%s: %v", name, found)
		}
		action := "pause"
		if !test.pause {
			action = "resume"
		}
		changed, _ := run(t, all[action], test.object).(map[string]any)
		rollout := changed["spec"].(map[string]any)["rollout"].(map[string]any)
		if is, _ := rollout["paused"].(bool); is != test.after {
			t.Errorf("%s: %s makes %v", name, action, rollout)
		}
	}
}
