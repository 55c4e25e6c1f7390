// SPDX-License-Identifier: Apache-2.0

// Package files keeps uploaded archives in the cluster. One is compressed and cut into chunks that fit into objects:
// immutable ConfigMaps in Berth's own namespace, which no cache holds; they are read when somebody asks for the archive.
// An archive is addressed by what it holds and who uploaded it, so that the same one sent twice is stored once.
//
// What an archive holds is package provision's to read, and who may see it is decided before it is asked for.
package files

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/archive"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/ids"
)

const (
	// LabelFile on a ConfigMap makes it a chunk of the archive with that id.
	LabelFile = "berth.dev/file"
	// annotationUploader on an archive's head is the metadata.name of the User who sent it.
	annotationUploader = "berth.dev/uploaded-by"
	// annotationHash is the SHA-256 of the archive.
	annotationHash = "berth.dev/file-hash"
	// annotationChunks names the chunks that follow the head, in order.
	annotationChunks = "berth.dev/file-chunks"
	// annotationUsed is when the archive was last sent, in RFC 3339.
	annotationUsed = "berth.dev/used-at"

	// chunkKey is where a chunk's bytes stand in its ConfigMap.
	chunkKey = "chunk"
	// chunkSize fits into an object, which may have 1 MiB, and into a request, where it is a third longer.
	chunkSize = 640 << 10
	// stale is how old the note of an archive's last use may be before it is written anew.
	stale = time.Hour
)

// Client is what the archives need of a cluster. Reads are live.
type Client interface {
	client.Reader
	Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error
	Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.PatchOption) error
	Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error
}

// Files are the archives of a deployment.
type Files struct {
	// Client reads and writes ConfigMaps.
	Client Client
	// Namespace is Berth's own.
	Namespace string
	// Now tells the time.
	Now func() time.Time
}

// File is one archive.
type File struct {
	// ID is its id on the wire.
	ID uuid.UUID
	// Uploader is the metadata.name of the User who sent it.
	Uploader string
	// Hash is its SHA-256, in hexadecimal.
	Hash string

	head *corev1.ConfigMap
}

// Put keeps an archive of a User, and tells whether it was not there before.
func (f *Files) Put(ctx context.Context, uploader *v1alpha1.User, tar []byte) (uuid.UUID, bool, error) {
	sum := sha256.Sum256(tar)
	hash := hex.EncodeToString(sum[:])
	id := ids.File(ids.Of(uploader), hash)
	there, err := f.Find(ctx, id)
	if err == nil {
		return id, false, f.touch(ctx, there)
	}
	if !fault.Is(err, fault.NotFound) {
		return uuid.Nil, false, err
	}
	packed, err := compress(tar)
	if err != nil {
		return uuid.Nil, false, err
	}
	first, rest := cut(packed)
	var names []string
	for i, chunk := range rest {
		name := strconv.Itoa(i+1) + "-" + short(chunk)
		names = append(names, name)
		if err := f.create(ctx, f.object(id, name, chunk)); err != nil {
			return uuid.Nil, false, err
		}
	}
	// The head comes last: where it is, the archive is whole.
	head := f.object(id, "", first)
	head.Annotations = map[string]string{
		annotationUploader: uploader.Name, annotationHash: hash, annotationChunks: strings.Join(names, ","),
		annotationUsed: f.Now().UTC().Format(time.RFC3339),
	}
	return id, true, f.create(ctx, head)
}

// Find finds an archive without reading all of it; NotFound where there is none.
func (f *Files) Find(ctx context.Context, id uuid.UUID) (*File, error) {
	head := &corev1.ConfigMap{}
	if err := f.Client.Get(ctx, client.ObjectKey{Namespace: f.Namespace, Name: f.name(id, "")}, head); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fault.New(fault.NotFound, "there is no such file")
		}
		return nil, err
	}
	return &File{ID: id, Uploader: head.Annotations[annotationUploader], Hash: head.Annotations[annotationHash], head: head}, nil
}

// Read gives an archive as it was sent: a tar. What does not have the hash that it had is an error.
func (f *Files) Read(ctx context.Context, file *File) ([]byte, error) {
	packed := bytes.Clone(file.head.BinaryData[chunkKey])
	for _, name := range strings.FieldsFunc(file.head.Annotations[annotationChunks], func(r rune) bool { return r == ',' }) {
		chunk := &corev1.ConfigMap{}
		if err := f.Client.Get(ctx, client.ObjectKey{Namespace: f.Namespace, Name: f.name(file.ID, name)}, chunk); err != nil {
			return nil, fmt.Errorf("chunk %s of file %s: %w", name, file.ID, err)
		}
		if packed = append(packed, chunk.BinaryData[chunkKey]...); len(packed) > 2*archive.MaxSize {
			return nil, fmt.Errorf("file %s is larger than any file", file.ID)
		}
	}
	tar, err := expand(packed)
	if err != nil {
		return nil, fmt.Errorf("file %s: %w", file.ID, err)
	}
	if sum := sha256.Sum256(tar); hex.EncodeToString(sum[:]) != file.Hash {
		return nil, fmt.Errorf("file %s is damaged: its hash is another", file.ID)
	}
	return tar, nil
}

// touch notes that an archive was sent again, so that it is not swept away under who has just sent it.
func (f *Files) touch(ctx context.Context, file *File) error {
	used, err := time.Parse(time.RFC3339, file.head.Annotations[annotationUsed])
	if err == nil && f.Now().Sub(used) < stale {
		return nil
	}
	patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"annotations":{%q:%q}}}`, file.head.UID, annotationUsed, f.Now().UTC().Format(time.RFC3339))
	return f.Client.Patch(ctx, file.head.DeepCopy(), client.RawPatch(types.MergePatchType, patch))
}

// create makes a chunk. One of the name that is there already holds the same.
func (f *Files) create(ctx context.Context, o *corev1.ConfigMap) error {
	err := f.Client.Create(ctx, o)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (f *Files) object(id uuid.UUID, chunk string, data []byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.Namespace, Name: f.name(id, chunk), Labels: map[string]string{
			LabelFile: id.String(), v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
		}},
		BinaryData: map[string][]byte{chunkKey: data},
		Immutable:  ptr.To(true),
	}
}

// name is that of a chunk's object, or of the head where chunk is empty.
func (f *Files) name(id uuid.UUID, chunk string) string {
	if chunk == "" {
		return "berth-file-" + id.String()
	}
	return "berth-file-" + id.String() + "-" + chunk
}

func compress(data []byte) ([]byte, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(data)
	err = errors.Join(err, w.Close())
	return packed.Bytes(), err
}

// expand reads what compress wrote, and no more than an archive can have.
func expand(packed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, archive.MaxSize+1))
	return data, errors.Join(err, r.Close())
}

// cut cuts bytes into chunks, of which there is always a first.
func cut(data []byte) (first []byte, rest [][]byte) {
	first = data[:min(len(data), chunkSize)]
	for at := chunkSize; at < len(data); at += chunkSize {
		rest = append(rest, data[at:min(len(data), at+chunkSize)])
	}
	return first, rest
}

// short tells one chunk's bytes from another's, so that two writers never mix theirs.
func short(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:5])
}
