// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/internal/testing/contract"
)

const sampleEndpoints = `[
 {"method":"GET","path":"/api/v2/ships","tag":"Ships","auth":"session token","era":"seed","success_status":200,"response_schema":"array of harbour.Ship"},
 {"method":"POST","path":"/api/v2/ships","tag":"Ships","auth":"session token","era":"seed","success_status":200,"actual_status":201,"also_status":[409],
  "request_schema":"harbour.Ship","response_schema":"array of harbour.Ship","actual_response_schema":"harbour.Ship"},
 {"method":"GET","path":"/api/v2/ships/log","tag":"Ships","auth":"none","era":"seed","success_status":200,"response_schema":"empty array","upgrade":"when follow=true"},
 {"method":"GET","path":"/api/v2/ships/radio","tag":"Ships","auth":"none","era":"seed","success_status":101,"upgrade":true},
 {"method":"GET","path":"/api/v2/cranes","tag":"Ships","auth":"none","era":"later","success_status":200}
]`

const sampleSchemas = `{
 "codersdk.Response":{"kind":"object","properties":{"message":{"type":"string","required":true}}},
 "harbour.Ship":{"kind":"object","wire_alt":"string","case_insensitive":true,"properties":{
  "id":{"type":"string","format":"uuid","required":true},
  "left":{"type":"string","format":"date-time","omitempty":true,"nullable":true},
  "flag":{"ref":"harbour.Flag","enum":["red"]},
  "crew":{"type":"object","additional":{"type":"array","items":{"type":"integer"}},"later":true},
  "hold":{"type":"array","items":{"type":"integer"},"wire_alt":"string"},
  "name":{"type":"object","fields":{"first":{"type":"string"}}}}},
 "harbour.Flag":{"kind":"enum","enum":["red",""],"enum_later":["blue"]},
 "harbour.Crane":{"kind":"object","properties":{"id":{"type":"string"}}},
 "harbour.Pier":{"kind":"alias","in_seed":true,"alias":{"type":"object","additional":{"type":"boolean"}}}
}`

const wantEndpoints = header +
	"GET\t/api/v2/ships\tShips\tsession\t200\t-\tapplication/json []harbour.Ship\n" +
	"POST\t/api/v2/ships\tShips\tsession\t201,409\tapplication/json harbour.Ship\tapplication/json harbour.Ship\n" +
	"GET\t/api/v2/ships/log\tShips\tnone\t200,101\t-\tapplication/json []never\n" +
	"GET\t/api/v2/ships/radio\tShips\tnone\t101\t-\tupgrade\n"

const wantSchemas = `object codersdk.Response
	message string required
enum harbour.Flag
	"red"
	""
	"blue" later
alias harbour.Pier map[boolean]
object harbour.Ship anycase wire=string
	crew map[[]integer] later
	flag enum("red")
	hold []integer|string
	id uuid required
	left time omitempty null
	name object(first:string)
`

// files writes the source files and an empty folder for the facts.
func files(t *testing.T, endpoints, schemas string) (args []string, folder string) {
	t.Helper()
	folder = t.TempDir()
	for name, text := range map[string]string{"endpoints.json": endpoints, "schemas.json": schemas} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"facts", "-endpoints", filepath.Join(folder, "endpoints.json"),
		"-schemas", filepath.Join(folder, "schemas.json"), "-to", folder}, folder
}

func TestFacts(t *testing.T) {
	args, folder := files(t, sampleEndpoints, sampleSchemas)
	if err := run(args, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{contract.EndpointsFile: wantEndpoints, contract.SchemasFile: wantSchemas} {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", name, diff)
		}
	}
}

func TestFactsRefuse(t *testing.T) {
	for name, test := range map[string]struct {
		endpoints, schemas string
		wantError          string
	}{
		"no JSON":            {"GET", sampleSchemas, "endpoints.json"},
		"an unknown door":    {strings.Replace(sampleEndpoints, "session token", "a smile", 1), sampleSchemas, "a smile"},
		"a schema too few":   {sampleEndpoints, strings.Replace(sampleSchemas, `"harbour.Flag":{`, `"harbour.Flags":{`, 1), "harbour.Flag"},
		"no refusals' shape": {sampleEndpoints, strings.Replace(sampleSchemas, "codersdk.Response", "codersdk.Answer", 1), "codersdk.Response"},
	} {
		t.Run(name, func(t *testing.T) {
			args, _ := files(t, test.endpoints, test.schemas)
			if err := run(args, nil); err == nil || !strings.Contains(err.Error(), test.wantError) {
				t.Errorf("error %v, want one with %q", err, test.wantError)
			}
		})
	}
}

func TestCoverage(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log.jsonl")
	line := `{"method":"GET","path":"/api/v2/buildinfo","tag":"General"}` + "\n"
	if err := os.WriteFile(log, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run([]string{"coverage", log}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "General 1 of 10\n") || !strings.HasSuffix(out.String(), "\n1 of 208 endpoints\n") {
		t.Errorf("printed\n%s", out.String())
	}
	if err := run([]string{"coverage", log + ".absent"}, &out); err == nil || !strings.Contains(err.Error(), contract.LogEnv) {
		t.Errorf("error %v, want one that names %s", err, contract.LogEnv)
	}
	for _, args := range [][]string{nil, {"nothing"}, {"coverage"}, {"facts"}} {
		if err := run(args, &out); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
