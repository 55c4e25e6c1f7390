// SPDX-License-Identifier: Apache-2.0

package records

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/berth-dev/berth/api/v1alpha1"
)

const (
	// Type is the type of the Secrets that hold records.
	Type corev1.SecretType = "berth.dev/records"
	// Label holds the name of a Secret's series.
	Label = "berth.dev/records"

	annotationFirst = "berth.dev/records-first" // the RFC 3339 times of the first and the last line
	annotationLast  = "berth.dev/records-last"
	annotationLines = "berth.dev/records-lines"

	payload = "lines.jsonl.gz"

	// maxRaw is how many bytes of lines one object takes before they are compressed: also what does not compress fits into
	// a Secret.
	maxRaw = 512 << 10
	// maxUnpacked is how many bytes an object may unpack to; merged ones hold more than maxRaw.
	maxUnpacked = 64 << 20
	// maxPacked is how large a merged object may become.
	maxPacked = 384 << 10
)

// Line is one record.
type Line struct {
	// At is when what it tells happened.
	At time.Time
	// Data is JSON in one line, without its end.
	Data []byte
}

// kept is what is known of a stored object without its lines.
type kept struct {
	name        string
	uid         types.UID
	size        int // of the payload
	first, last time.Time
	made        time.Time
}

// pack makes a Secret of lines; made tells its name, so that the same lines at the same place make the same name.
func pack(namespace, series, name string, lines [][]byte, first, last time.Time) (*corev1.Secret, error) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	for _, line := range lines {
		if _, err := w.Write(append(line[:len(line):len(line)], '\n')); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Labels: map[string]string{Label: series, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
			Annotations: map[string]string{
				annotationFirst: first.UTC().Format(time.RFC3339Nano), annotationLast: last.UTC().Format(time.RFC3339Nano),
				annotationLines: strconv.Itoa(len(lines)),
			},
		},
		Type:      Type,
		Immutable: ptr.To(true),
		Data:      map[string][]byte{payload: packed.Bytes()},
	}, nil
}

// unpack are the lines of a Secret.
func unpack(secret *corev1.Secret) ([][]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(secret.Data[payload]))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", secret.Name, err)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", secret.Name, err)
	}
	if len(data) > maxUnpacked {
		return nil, fmt.Errorf("%s unpacks to more than %d bytes", secret.Name, maxUnpacked)
	}
	var lines [][]byte
	for line := range bytes.Lines(data) {
		if line = bytes.TrimRight(line, "\n"); len(line) > 0 {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// known is what is known of a Secret without its lines.
func known(secret *corev1.Secret) kept {
	k := kept{name: secret.Name, uid: secret.UID, size: len(secret.Data[payload]), made: secret.CreationTimestamp.Time}
	k.first, k.last = annotatedTime(secret, annotationFirst), annotatedTime(secret, annotationLast)
	return k
}

func annotatedTime(secret *corev1.Secret, key string) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, secret.Annotations[key]); err == nil {
		return t
	}
	return secret.CreationTimestamp.Time
}

// batchName is a name that sorts by time and that no other process gives.
func batchName(series string, at time.Time, writer string, n uint64) string {
	return fmt.Sprintf("berth-%s-%s-%s-%d", series, at.UTC().Format("20060102150405.000"), writer, n)
}

// mergedName is the name of what a merge of the parts makes, the same whoever merges them.
func mergedName(series string, first time.Time, parts []kept) string {
	sum := sha256.New()
	for _, p := range parts {
		sum.Write([]byte(p.name + "\x00" + string(p.uid) + "\x00"))
	}
	return fmt.Sprintf("berth-%s-%s-merged-%s", series, first.UTC().Format("20060102150405.000"), hex.EncodeToString(sum.Sum(nil)[:8]))
}
