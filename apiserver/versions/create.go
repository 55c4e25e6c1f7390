// SPDX-License-Identifier: Apache-2.0

package versions

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/apiserver/view"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/provision"
)

const (
	// maxError is how much of what is wrong with an archive is kept.
	maxError = 4000
	// maxNote is how long a note about an archive may be.
	maxNote = 1024
	// maxNotes is how many there may be.
	maxNotes = 8
)

// importer finds the organization, and what rights to make a version in it depend on.
func (h *Handlers) importer(r *http.Request) (*v1alpha1.Organization, authz.Object, error) {
	o, err := h.Store.OrganizationOf(r.Context(), r.PathValue("organization"))
	if err != nil {
		return nil, authz.Object{}, err
	}
	rights, err := h.Store.ImportRights(r.Context(), authz.From(r.Context()), o)
	return o, rights, err
}

// create makes a version of an archive. What the archive says is read here, and stands in the version from then on; what is
// wrong with it is no error of the request, but the end of the version's job.
func (h *Handlers) create(ctx context.Context, o *v1alpha1.Organization, in codersdk.CreateTemplateVersionRequest) (codersdk.TemplateVersion, error) {
	if err := checkCreate(in); err != nil {
		return codersdk.TemplateVersion{}, err
	}
	template, err := h.templateOf(ctx, o, in.TemplateID)
	if err != nil {
		return codersdk.TemplateVersion{}, err
	}
	tar, id, err := h.archiveOf(ctx, in)
	if err != nil {
		return codersdk.TemplateVersion{}, err
	}
	v := h.newVersion(ctx, o, template, in, id, tar)
	source, err := provision.Read(tar)
	if err != nil {
		refusal, ok := fault.As(err)
		if !ok {
			return codersdk.TemplateVersion{}, err
		}
		v.Spec.Source.Error = cut(refusal.Error(), maxError)
		return h.stored(ctx, v, o, template, nil)
	}
	v.Spec.Content = source.Content
	setTags(&v.Spec.Content, in.Tags)
	secret, notes, err := setVariables(&v.Spec.Content, in.UserVariableValues)
	if err != nil {
		return codersdk.TemplateVersion{}, err
	}
	v.Spec.Source.Notes = bounded(append(source.Notes, notes...))
	shown, err := h.stored(ctx, v, o, template, secret)
	if refusal := ofContent(err); refusal != nil {
		// the schema of the cluster refuses what the archive says
		v.Spec.Content, v.Spec.Source.Notes = v1alpha1.TemplateContent{}, nil
		v.Spec.Source.Error = cut(located(source, refusal), maxError)
		return h.stored(ctx, v, o, template, nil)
	}
	return shown, err
}

// checkCreate refuses a request that no archive could make right.
func checkCreate(in codersdk.CreateTemplateVersionRequest) error {
	var fields []fault.Field
	wrong := func(field, detail string) { fields = append(fields, fault.Field{Path: field, Detail: detail}) }
	if in.Name != "" && (len(in.Name) > maxName || !namePattern.MatchString(in.Name)) {
		wrong("name", "must be letters and digits in parts joined by single dots, hyphens or underscores, of at most 64 characters")
	}
	if utf8.RuneCountInString(in.Message) > maxMessage {
		wrong("message", "must have at most 1048 characters")
	}
	if in.StorageMethod != codersdk.ProvisionerStorageMethodFile {
		wrong("storage_method", "must be file")
	}
	if in.Provisioner != codersdk.ProvisionerTypeTerraform {
		wrong("provisioner", "must be terraform, the one word that clients know; an archive holds a template.yaml all the same")
	}
	if (in.FileID == uuid.Nil) == (in.ExampleID == "") {
		const detail = "exactly one of file_id and example_id must be given"
		wrong("file_id", detail)
		wrong("example_id", detail)
	}
	if len(fields) > 0 {
		return &fault.Error{Kind: fault.Invalid, Message: "Validation failed.", Fields: fields}
	}
	return nil
}

// templateOf is the template that a version is made for, which the caller may change; none where none is named, for who
// may make templates.
func (h *Handlers) templateOf(ctx context.Context, o *v1alpha1.Organization, id uuid.UUID) (*v1alpha1.Template, error) {
	if id == uuid.Nil {
		return nil, httpapi.Allow(ctx, authz.Create, authz.NewTemplate(o.Name))
	}
	t, rights, err := h.Store.TemplateByID(ctx, id)
	switch {
	case err == nil && t.Organization.Name == o.Name && authz.From(ctx).Can(authz.Read, rights):
		return t.Template, httpapi.Allow(ctx, authz.Update, rights)
	case err == nil, fault.Is(err, fault.NotFound):
		return nil, unknown("template_id", "names no template of this organization that you have access to")
	}
	return nil, err
}

func unknown(field, detail string) error {
	f := fault.New(fault.NotFound, "Resource not found or you do not have access to this resource")
	f.Fields = []fault.Field{{Path: field, Detail: detail}}
	return f
}

// archiveOf is the archive that the request names, with its id: one that the caller may read. What is named by the id of a
// version from a manifest is written now and kept, as the example is, so that it is there for as long as the new version.
func (h *Handlers) archiveOf(ctx context.Context, in codersdk.CreateTemplateVersionRequest) ([]byte, uuid.UUID, error) {
	caller := authz.From(ctx)
	if in.ExampleID != "" {
		if h.Example != nil {
			if tar, ok := h.Example(in.ExampleID); ok {
				id, _, err := h.Files.Put(ctx, caller.Account, tar)
				return tar, id, err
			}
		}
		return nil, uuid.Nil, unknown("example_id", "names no example; GET templates/examples lists them")
	}
	versions, err := h.Store.VersionsOfFile(ctx, in.FileID)
	if err != nil {
		return nil, uuid.Nil, err
	}
	var administered *v1alpha1.TemplateVersion
	for _, v := range versions {
		if caller.Can(authz.Update, v.Rights()) {
			administered = v.Version
		}
	}
	file, err := h.Files.Find(ctx, in.FileID)
	switch {
	case err == nil && (administered != nil || caller.Can(authz.Read, authz.FileObject(file.Uploader, false))):
		tar, err := h.Files.Read(ctx, file)
		return tar, in.FileID, err
	case err == nil, fault.Is(err, fault.NotFound) && administered == nil:
		return nil, uuid.Nil, unknown("file_id", "names no file that you have access to; POST files first")
	case !fault.Is(err, fault.NotFound):
		return nil, uuid.Nil, err
	}
	tar, err := provision.Write(administered)
	if err != nil {
		return nil, uuid.Nil, err
	}
	id, _, err := h.Files.Put(ctx, caller.Account, tar)
	return tar, id, err
}

// newVersion is the object of a request, without content.
func (h *Handlers) newVersion(ctx context.Context, o *v1alpha1.Organization, t *v1alpha1.Template, in codersdk.CreateTemplateVersionRequest, file uuid.UUID, tar []byte) *v1alpha1.TemplateVersion {
	now := h.Now().UTC()
	sum := sha256.Sum256(tar)
	name := in.Name
	if name == "" {
		name = now.Format("20060102") + "-" + strings.ToLower(rand.Text()[:6])
	}
	v := &v1alpha1.TemplateVersion{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Name, Annotations: map[string]string{
			v1alpha1.AnnotationCreatedAt: now.Format(time.RFC3339Nano),
			v1alpha1.AnnotationCreatedBy: authz.From(ctx).User,
		}},
		Spec: v1alpha1.TemplateVersionSpec{
			Name: name, Message: in.Message,
			Source: &v1alpha1.VersionSource{File: v1alpha1.ID(file.String()), Hash: hex.EncodeToString(sum[:])},
		},
	}
	if t != nil {
		v.Spec.TemplateRef = &v1alpha1.NameReference{Name: v1alpha1.ObjectName(t.Name)}
	}
	return v
}

// stored stores a version, and beside it the Secret of its sensitive variables.
func (h *Handlers) stored(ctx context.Context, v *v1alpha1.TemplateVersion, o *v1alpha1.Organization, t *v1alpha1.Template, secret *variables) (codersdk.TemplateVersion, error) {
	made, err := h.Store.CreateVersion(ctx, v)
	if err != nil {
		return codersdk.TemplateVersion{}, err
	}
	if secret != nil {
		if err := h.Store.CreateVariables(ctx, made, secret.name, secret.values); err != nil {
			// The check would wait for the values, and fail.
			cancelled := h.Store.CancelVersion(context.WithoutCancel(ctx), made, func(v *v1alpha1.TemplateVersion) error {
				v.Spec.Cancel = h.wish(ctx)
				return nil
			})
			if cancelled != nil {
				err = fmt.Errorf("%w; and the version can't be cancelled: %w", err, cancelled)
			}
			return codersdk.TemplateVersion{}, err
		}
	}
	return view.Version(view.VersionParts{Version: made, Organization: o, Template: t, Creator: authz.From(ctx).Account}), nil
}

// ofContent is the refusal of a version for what its content says; nil for any other error.
func ofContent(err error) *fault.Error {
	f, ok := fault.As(err)
	switch {
	case !ok:
		return nil
	case f.Kind == fault.TooLarge:
		return f
	case f.Kind != fault.Invalid:
		return nil
	}
	for _, field := range f.Fields {
		if strings.HasPrefix(field.Path, store.ContentPath) {
			return f
		}
	}
	return nil
}

// located is a refusal with the lines of the archive.
func located(source *provision.Source, refusal *fault.Error) string {
	lines := make([]string, 0, len(refusal.Fields))
	for _, f := range refusal.Fields {
		lines = append(lines, source.Locate(f))
	}
	if len(lines) == 0 {
		return refusal.Message
	}
	return strings.Join(lines, "; ")
}

// setTags takes over the tags that choose a provisioner. The two that clients always send mean anybody.
func setTags(c *v1alpha1.TemplateContent, tags map[string]string) {
	for key, value := range tags {
		if key == "scope" || key == "owner" {
			continue
		}
		if c.Tags == nil {
			c.Tags = map[string]v1alpha1.TagValue{}
		}
		c.Tags[key] = v1alpha1.TagValue(value)
	}
}

// bounded are notes that fit.
func bounded(notes []string) []string {
	notes = notes[:min(len(notes), maxNotes)]
	for i := range notes {
		notes[i] = cut(notes[i], maxNote)
	}
	return notes
}

// cut shortens a text, between characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}
