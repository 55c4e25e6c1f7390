// SPDX-License-Identifier: Apache-2.0

// Package files takes the archives that templates are pushed with, and hands them out again. How they are kept is
// internal/files's, what they say internal/provision's.
package files

import (
	"context"
	"mime"
	"net/http"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/archive"
	"github.com/berth-dev/berth/internal/authz"
	"github.com/berth-dev/berth/internal/fault"
	kept "github.com/berth-dev/berth/internal/files"
	"github.com/berth-dev/berth/internal/provision"
)

// Handlers serves archives.
type Handlers struct {
	// Store is where versions are read.
	Store *store.Store
	// Files is where archives are kept.
	Files *kept.Files
}

// perMinute is how many archives one person may send in a minute: each is unpacked.
const perMinute = 12

// Routes is all that this package serves.
func (h *Handlers) Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "POST", Path: "/api/v2/files", Tag: "Files", Door: httpapi.Session, Status: 201, PerMinute: perMinute,
			Do: httpapi.On(h.uploader, authz.Create, h.upload)},
		{Method: "GET", Path: "/api/v2/files/{fileID}", Tag: "Files", Door: httpapi.Session, Status: 200,
			Do: httpapi.On(httpapi.ByID("fileID", h.find), authz.Read, h.download)},
	}
}

// uploader is who sends an archive. Archives take room that all share, so only who may change a template may send one.
func (h *Handlers) uploader(r *http.Request) (*v1alpha1.User, authz.Object, error) {
	caller := authz.From(r.Context())
	edits, err := h.Store.EditsTemplates(r.Context(), caller)
	return caller.Account, authz.FileObject(caller.User, edits), err
}

// upload keeps an archive. A zip is kept as a tar, which is what clients get back.
func (h *Handlers) upload(ctx context.Context, uploader *v1alpha1.User, in httpapi.Upload) (httpapi.Reply[codersdk.UploadResponse], error) {
	var none httpapi.Reply[codersdk.UploadResponse]
	kind, err := kindOf(in.Type)
	if err != nil {
		return none, err
	}
	tar, err := archive.ToTar(kind, in.Data)
	if err != nil {
		return none, err
	}
	id, made, err := h.Files.Put(ctx, uploader, tar)
	if err != nil {
		return none, err
	}
	answer := httpapi.Reply[codersdk.UploadResponse]{Body: codersdk.UploadResponse{ID: id}}
	if !made {
		answer.Status = http.StatusOK
	}
	return answer, nil
}

// kindOf is how an archive of the media type is written.
func kindOf(contentType string) (archive.Kind, error) {
	media, _, err := mime.ParseMediaType(contentType)
	if err == nil {
		switch media {
		case "application/x-tar", "application/tar":
			return archive.Tar, nil
		case "application/zip", "application/x-zip-compressed", "application/x-zip":
			return archive.Zip, nil
		}
	}
	f := fault.New(fault.Invalid, "Unsupported content type header.")
	f.Fields = []fault.Field{{Path: "Content-Type", Detail: "must be application/x-tar or application/zip"}}
	return "", f
}

// download is an archive that can be had: one that was uploaded, or the version that is written as one.
type download struct {
	id      uuid.UUID
	file    *kept.File
	version *v1alpha1.TemplateVersion
}

// find finds an archive by its id. It may be read by who uploaded it, and by who administers a template that it is a
// version of.
func (h *Handlers) find(ctx context.Context, id uuid.UUID) (download, authz.Object, error) {
	found := download{id: id}
	rights := authz.FileObject("", false)
	file, err := h.Files.Find(ctx, id)
	switch {
	case err == nil:
		found.file, rights = file, authz.FileObject(file.Uploader, false)
	case !fault.Is(err, fault.NotFound):
		return download{}, authz.Object{}, err
	}
	versions, err := h.Store.VersionsOfFile(ctx, id)
	if err != nil {
		return download{}, authz.Object{}, err
	}
	if file == nil && len(versions) == 0 {
		return download{}, authz.Object{}, fault.New(fault.NotFound, "there is no such file")
	}
	caller := authz.From(ctx)
	for _, v := range versions {
		found.version = v.Version
		if of := v.Rights(); caller.Can(authz.Update, of) {
			return found, of, nil
		}
	}
	return found, rights, nil
}

// download hands an archive out. What an id stands for never changes.
func (h *Handlers) download(ctx context.Context, d download, _ httpapi.None) (httpapi.Blob, error) {
	blob := httpapi.Blob{Type: "application/x-tar", ETag: d.id.String()}
	var err error
	if d.file != nil {
		blob.Data, err = h.Files.Read(ctx, d.file)
	} else {
		blob.Data, err = provision.Write(d.version)
	}
	return blob, err
}
