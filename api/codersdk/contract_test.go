// SPDX-License-Identifier: Apache-2.0

package codersdk_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/internal/testing/contract"
)

// answers and requests are all wire structs, by the direction in which they travel.
var (
	answers = []reflect.Type{
		reflect.TypeFor[codersdk.APIKey](),
		reflect.TypeFor[codersdk.APIKeyWithOwner](),
		reflect.TypeFor[codersdk.AppHostResponse](),
		reflect.TypeFor[codersdk.ArchiveTemplateVersionsResponse](),
		reflect.TypeFor[codersdk.AuthMethod](),
		reflect.TypeFor[codersdk.AuthMethods](),
		reflect.TypeFor[codersdk.BuildInfoResponse](),
		reflect.TypeFor[codersdk.CreateFirstUserResponse](),
		reflect.TypeFor[codersdk.DAUEntry](),
		reflect.TypeFor[codersdk.DAUsResponse](),
		reflect.TypeFor[codersdk.DERPRegion](),
		reflect.TypeFor[codersdk.Entitlements](),
		reflect.TypeFor[codersdk.ExternalAuth](),
		reflect.TypeFor[codersdk.ExternalAuthAppInstallation](),
		reflect.TypeFor[codersdk.ExternalAuthDevice](),
		reflect.TypeFor[codersdk.ExternalAuthLink](),
		reflect.TypeFor[codersdk.ExternalAuthLinkProvider](),
		reflect.TypeFor[codersdk.ExternalAuthUser](),
		reflect.TypeFor[codersdk.Feature](),
		reflect.TypeFor[codersdk.GenerateAPIKeyResponse](),
		reflect.TypeFor[codersdk.GitSSHKey](),
		reflect.TypeFor[codersdk.Healthcheck](),
		reflect.TypeFor[codersdk.License](),
		reflect.TypeFor[codersdk.ListUserExternalAuthResponse](),
		reflect.TypeFor[codersdk.LoginWithPasswordResponse](),
		reflect.TypeFor[codersdk.MinimalUser](),
		reflect.TypeFor[codersdk.OIDCAuthMethod](),
		reflect.TypeFor[codersdk.OAuthConversionResponse](),
		reflect.TypeFor[codersdk.Organization](),
		reflect.TypeFor[codersdk.ProvisionerJob](),
		reflect.TypeFor[codersdk.ProvisionerJobLog](),
		reflect.TypeFor[codersdk.Response](),
		reflect.TypeFor[codersdk.Role](),
		reflect.TypeFor[codersdk.Template](),
		reflect.TypeFor[codersdk.TemplateAutostartRequirement](),
		reflect.TypeFor[codersdk.TemplateAutostopRequirement](),
		reflect.TypeFor[codersdk.TemplateExample](),
		reflect.TypeFor[codersdk.TemplateVersion](),
		reflect.TypeFor[codersdk.TemplateVersionExternalAuth](),
		reflect.TypeFor[codersdk.TemplateVersionParameter](),
		reflect.TypeFor[codersdk.TemplateVersionParameterOption](),
		reflect.TypeFor[codersdk.TemplateVersionVariable](),
		reflect.TypeFor[codersdk.TokenConfig](),
		reflect.TypeFor[codersdk.TransitionStats](),
		reflect.TypeFor[codersdk.UploadResponse](),
		reflect.TypeFor[codersdk.User](),
		reflect.TypeFor[codersdk.ValidationError](),
		reflect.TypeFor[codersdk.Workspace](),
		reflect.TypeFor[codersdk.WorkspaceAgent](),
		reflect.TypeFor[codersdk.WorkspaceAgentHealth](),
		reflect.TypeFor[codersdk.WorkspaceAgentLogSource](),
		reflect.TypeFor[codersdk.WorkspaceAgentMetadata](),
		reflect.TypeFor[codersdk.WorkspaceAgentMetadataDescription](),
		reflect.TypeFor[codersdk.WorkspaceAgentMetadataResult](),
		reflect.TypeFor[codersdk.WorkspaceAgentScript](),
		reflect.TypeFor[codersdk.WorkspaceApp](),
		reflect.TypeFor[codersdk.WorkspaceBuild](),
		reflect.TypeFor[codersdk.WorkspaceBuildParameter](),
		reflect.TypeFor[codersdk.WorkspaceHealth](),
		reflect.TypeFor[codersdk.WorkspaceQuota](),
		reflect.TypeFor[codersdk.WorkspaceResource](),
		reflect.TypeFor[codersdk.WorkspaceResourceMetadata](),
		reflect.TypeFor[codersdk.WorkspacesResponse](),
		reflect.TypeFor[codersdk.GetUsersResponse](),
		reflect.TypeFor[codersdk.UserLoginType](),
		reflect.TypeFor[codersdk.UserRoles](),
		reflect.TypeFor[codersdk.AssignableRoles](),
		reflect.TypeFor[codersdk.OrganizationMember](),
		reflect.TypeFor[codersdk.UserQuietHoursScheduleResponse](),
		reflect.TypeFor[codersdk.Group](),
		reflect.TypeFor[codersdk.TemplateACL](),
		reflect.TypeFor[codersdk.TemplateUser](),
		reflect.TypeFor[codersdk.TemplateGroup](),
		reflect.TypeFor[codersdk.ACLAvailable](),
		reflect.TypeFor[codersdk.AuditLog](),
		reflect.TypeFor[codersdk.AuditLogResponse](),
		reflect.TypeFor[codersdk.AuditDiffField](),
	}
	requests = []reflect.Type{
		reflect.TypeFor[codersdk.AddLicenseRequest](),
		reflect.TypeFor[codersdk.ArchiveTemplateVersionsRequest](),
		reflect.TypeFor[codersdk.ConvertLoginRequest](),
		reflect.TypeFor[codersdk.CreateFirstUserRequest](),
		reflect.TypeFor[codersdk.CreateTemplateRequest](),
		reflect.TypeFor[codersdk.CreateTemplateVersionDryRunRequest](),
		reflect.TypeFor[codersdk.CreateTemplateVersionRequest](),
		reflect.TypeFor[codersdk.CreateTokenRequest](),
		reflect.TypeFor[codersdk.CreateWorkspaceBuildRequest](),
		reflect.TypeFor[codersdk.CreateWorkspaceRequest](),
		reflect.TypeFor[codersdk.ExternalAuthDeviceExchange](),
		reflect.TypeFor[codersdk.LoginWithPasswordRequest](),
		reflect.TypeFor[codersdk.PatchTemplateVersionRequest](),
		reflect.TypeFor[codersdk.UpdateActiveTemplateVersion](),
		reflect.TypeFor[codersdk.UpdateTemplateMeta](),
		reflect.TypeFor[codersdk.UpdateWorkspaceAutostartRequest](),
		reflect.TypeFor[codersdk.UpdateWorkspaceRequest](),
		reflect.TypeFor[codersdk.UpdateWorkspaceAutomaticUpdatesRequest](),
		reflect.TypeFor[codersdk.UpdateWorkspaceDormancy](),
		reflect.TypeFor[codersdk.PutExtendWorkspaceRequest](),
		reflect.TypeFor[codersdk.ResolveAutostartResponse](),
		reflect.TypeFor[codersdk.ProvisionerJobLog](),
		reflect.TypeFor[codersdk.UpdateWorkspaceTTLRequest](),
		reflect.TypeFor[codersdk.VariableValue](),
		reflect.TypeFor[codersdk.WorkspaceBuildParameter](),
		reflect.TypeFor[codersdk.CreateUserRequest](),
		reflect.TypeFor[codersdk.UpdateUserProfileRequest](),
		reflect.TypeFor[codersdk.UpdateUserPasswordRequest](),
		reflect.TypeFor[codersdk.UpdateUserAppearanceSettingsRequest](),
		reflect.TypeFor[codersdk.UpdateRoles](),
		reflect.TypeFor[codersdk.UpdateUserQuietHoursScheduleRequest](),
		reflect.TypeFor[codersdk.CreateGroupRequest](),
		reflect.TypeFor[codersdk.PatchGroupRequest](),
		reflect.TypeFor[codersdk.CreateOrganizationRequest](),
		reflect.TypeFor[codersdk.UpdateTemplateACL](),
		reflect.TypeFor[codersdk.AuthorizationRequest](),
		reflect.TypeFor[codersdk.CreateTestAuditLogRequest](),
		reflect.TypeFor[codersdk.AuthorizationCheck](),
		reflect.TypeFor[codersdk.AuthorizationObject](),
	}
)

// notOnTheWire names the exported structs that are no body of their own.
var notOnTheWire = []string{"NullTime"}

func TestWireStructsAgreeWithContract(t *testing.T) {
	facts := contract.Seed(t)
	for role, types := range map[contract.Role][]reflect.Type{contract.Answer: answers, contract.Request: requests} {
		for _, goType := range types {
			for _, err := range facts.CheckType(goType, "codersdk."+goType.Name(), role) {
				t.Error(err)
			}
		}
	}
}

// TestEveryWireStructIsCompared keeps the lists above whole.
func TestEveryWireStructIsCompared(t *testing.T) {
	listed := slices.Clone(notOnTheWire)
	for _, goType := range append(slices.Clone(answers), requests...) {
		listed = append(listed, goType.Name())
	}
	for name, spec := range typeSpecs(t) {
		if _, isStruct := spec.Type.(*ast.StructType); isStruct && !slices.Contains(listed, name) {
			t.Errorf("%s is compared with no schema: list it here", name)
		}
	}
}

// TestEnumsAgreeWithContract reads the constants from the source, as reflection does not know them.
func TestEnumsAgreeWithContract(t *testing.T) {
	facts := contract.Seed(t)
	requestOnly := map[string][]string{"WorkspaceTransition": {"create"}}
	inline := map[string][]string{ // no schema has these names: the values stand at the property
		"ParameterType":   {"string", "number", "bool", "list(string)"},
		"ProvisionerType": {"terraform"},
	}
	constants := stringConstants(t)
	for name, spec := range typeSpecs(t) {
		if base, ok := spec.Type.(*ast.Ident); !ok || base.Name != "string" {
			continue
		}
		want := inline[name]
		if schema := facts.Schema("codersdk." + name); schema != nil {
			want = append(slices.Clone(schema.Values), requestOnly[name]...)
			want = slices.DeleteFunc(want, func(value string) bool { return name == "WorkspaceAppSharingLevel" && value == "organization" }) // of a later edition
		}
		got := constants[name]
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: constants differ from the contract's values (-want +got):\n%s", name, diff)
		}
	}
}

func TestNullTime(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		value    codersdk.NullTime
		wantJSON string
	}{
		"zero is null":     {codersdk.NullTime{}, "null"},
		"a time is a time": {codersdk.NullTime{Time: noon}, `"2026-11-23T12:00:00Z"`},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := json.Marshal(test.value)
			if err != nil || string(data) != test.wantJSON {
				t.Fatalf("encodes as %s, %v, want %s", data, err, test.wantJSON)
			}
			again := codersdk.NullTime{Time: noon.Add(time.Hour)}
			if err := json.Unmarshal(data, &again); err != nil || !again.Equal(test.value.Time) {
				t.Errorf("decodes as %v, %v, want %v", again, err, test.value)
			}
		})
	}
	var refused codersdk.NullTime
	if err := json.Unmarshal([]byte(`"noon"`), &refused); err == nil {
		t.Error("takes what is no time")
	}
}

// source parses this package.
func source(t *testing.T) []*ast.File {
	t.Helper()
	names, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	return parsed
}

// typeSpecs lists the exported types of this package.
func typeSpecs(t *testing.T) map[string]*ast.TypeSpec {
	specs := map[string]*ast.TypeSpec{}
	for _, file := range source(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				specs[spec.Name.Name] = spec
			}
			return true
		})
	}
	return specs
}

// stringConstants lists the values of this package's constants by their type.
func stringConstants(t *testing.T) map[string][]string {
	values := map[string][]string{}
	for _, file := range source(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || spec.Type == nil {
				return true
			}
			name, isName := spec.Type.(*ast.Ident)
			literal, isLiteral := spec.Values[0].(*ast.BasicLit)
			if !isName || !isLiteral {
				return true
			}
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			values[name.Name] = append(values[name.Name], value)
			return true
		})
	}
	return values
}
