// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/berth-dev/berth/internal/fault"
)

// Kind is how an archive is written.
type Kind string

const (
	// Tar is an uncompressed tar.
	Tar Kind = "tar"
	// Zip is a zip.
	Zip Kind = "zip"
)

// The bounds of an archive.
const (
	// MaxSize is how many bytes an archive has at most, as it is sent and when it is unpacked.
	MaxSize = 10 << 20
	// maxEntries is how many files and folders it has at most.
	maxEntries = 4096
)

// Contents is what Read found.
type Contents struct {
	// Names are those of all files, in the order of the archive.
	Names []string
	// Files are the bytes of those files that were asked for, by name.
	Files map[string][]byte
}

// Read reads an archive whole and keeps the bytes of the files for which keep says so; keep may be nil. Its error is a
// fault: TooLarge where a bound is exceeded, else Invalid.
func Read(kind Kind, data []byte, keep func(name string) bool) (*Contents, error) {
	found := &Contents{Files: map[string][]byte{}}
	err := walk(kind, data, func(name string, content io.Reader) error {
		found.Names = append(found.Names, name)
		if keep == nil || !keep(name) {
			_, err := io.Copy(io.Discard, content)
			return err
		}
		text, err := io.ReadAll(content)
		found.Files[name] = text
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// ToTar is an archive as a tar: a tar is given back as it is, once it was read whole, and a zip is written anew. The
// same bytes give the same tar.
func ToTar(kind Kind, data []byte) ([]byte, error) {
	if kind == Tar {
		_, err := Read(kind, data, nil)
		return data, err
	}
	var files []File
	err := walk(kind, data, func(name string, content io.Reader) error {
		text, err := io.ReadAll(content)
		files = append(files, File{Name: name, Data: text})
		return err
	})
	if err != nil {
		return nil, err
	}
	packed, err := Pack(files)
	if err == nil && len(packed) > MaxSize {
		err = tooLarge()
	}
	return packed, err
}

// walk calls visit for every file of the archive, in order. The content is bounded and need not be read.
func walk(kind Kind, data []byte, visit func(name string, content io.Reader) error) error {
	if len(data) > MaxSize {
		return tooLarge()
	}
	w := &walker{visit: visit, left: MaxSize, entries: map[string]bool{}}
	if kind == Zip {
		return w.zip(data)
	}
	return w.tar(data)
}

// walker remembers what was seen of one archive.
type walker struct {
	visit func(name string, content io.Reader) error
	// left is how many bytes may still be unpacked.
	left int64
	// entries are the names so far; true for a file.
	entries map[string]bool
	count   int
}

func (w *walker) tar(data []byte) error {
	reader := tar.NewReader(bytes.NewReader(data))
	for {
		header, err := reader.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, tar.ErrInsecurePath): // names are looked at below, all of them
			return unreadable(err)
		}
		switch header.Typeflag {
		case tar.TypeXGlobalHeader:
			// what git writes first: a comment, and no entry; it counts all the same, so that nobody sends a million
			if err := w.counted(); err != nil {
				return err
			}
		case tar.TypeDir:
			if _, err := w.entry(header.Name, false); err != nil {
				return err
			}
		case tar.TypeReg:
			if err := w.file(header.Name, header.Size, reader); err != nil {
				return err
			}
		default:
			return refuse(header.Name, "is %s; an archive holds files and folders only", typeOf(header.Typeflag))
		}
	}
}

// typeOf says what an entry of a tar is that is neither file nor folder.
func typeOf(flag byte) string {
	switch flag {
	case tar.TypeSymlink:
		return "a symbolic link"
	case tar.TypeLink:
		return "a hard link"
	case tar.TypeChar, tar.TypeBlock:
		return "a device"
	case tar.TypeFifo:
		return "a pipe"
	case tar.TypeGNUSparse:
		return "a sparse file"
	}
	return "of an unknown type"
}

// directoryHeader begins every entry of a zip's index.
const directoryHeader = "PK\x01\x02"

func (w *walker) zip(data []byte) error {
	// The index is read as a whole before anything else, and the number of entries that it tells is not to be trusted.
	// Twice as many, since a file that is no more than stored may hold some by chance.
	if bytes.Count(data, []byte(directoryHeader)) > 2*maxEntries {
		return tooMany()
	}
	reader, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return unreadable(err)
	}
	for _, f := range reader.File {
		mode := f.Mode()
		switch {
		case mode.IsDir():
			if _, err := w.entry(f.Name, false); err != nil {
				return err
			}
			continue
		case !mode.IsRegular():
			return refuse(f.Name, "is a link, a device or a pipe; an archive holds files and folders only")
		}
		if err := w.zipped(f); err != nil {
			return err
		}
	}
	return nil
}

// zipped unpacks one file of a zip. What its index says of its size is not believed: the reader gives no more than that
// and no more than is allowed.
func (w *walker) zipped(f *zip.File) (err error) {
	if f.UncompressedSize64 > uint64(w.left) {
		return tooLarge()
	}
	content, err := f.Open()
	if err != nil {
		return unreadable(err)
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	return w.file(f.Name, int64(f.UncompressedSize64), content)
}

// file hands one file over, and reads what the visitor has left of it.
func (w *walker) file(name string, size int64, content io.Reader) error {
	clean, err := w.entry(name, true)
	if err != nil {
		return err
	}
	if size < 0 || size > w.left {
		return tooLarge()
	}
	bounded := &io.LimitedReader{R: content, N: w.left + 1}
	if err := w.visit(clean, bounded); err != nil {
		return unreadable(err)
	}
	if _, err := io.Copy(io.Discard, bounded); err != nil {
		return unreadable(err)
	}
	if w.left = bounded.N - 1; w.left < 0 {
		return tooLarge()
	}
	return nil
}

func (w *walker) counted() error {
	if w.count++; w.count > maxEntries {
		return tooMany()
	}
	return nil
}

// entry takes one more entry up, and gives its name without a leading ./ and a trailing slash.
func (w *walker) entry(name string, file bool) (string, error) {
	if err := w.counted(); err != nil {
		return "", err
	}
	clean, wrong := cleanName(name)
	if wrong != "" {
		return "", refuse(name, "%s", wrong)
	}
	if clean == "." && !file {
		return clean, nil // the folder itself
	}
	if was, seen := w.entries[clean]; seen && (was || file) {
		return "", refuse(name, "stands there twice")
	}
	for parent := path.Dir(clean); parent != "."; parent = path.Dir(parent) {
		if w.entries[parent] {
			return "", refuse(name, "stands in %q, which is a file", shorten(parent))
		}
		w.entries[parent] = false
	}
	w.entries[clean] = file
	return clean, nil
}

func unreadable(err error) error {
	if _, ok := fault.As(err); ok {
		return err
	}
	f := fault.New(fault.Invalid, "The archive can't be read: it is damaged, or of another type than its Content-Type says.")
	f.Cause = err
	return f
}

func refuse(name, format string, args ...any) error {
	f := fault.New(fault.Invalid, format, args...)
	f.Message = "The archive is refused: entry " + quote(name) + " " + f.Message + "."
	return f
}

func tooLarge() error {
	f := fault.New(fault.TooLarge, "The archive is too large.")
	f.Detail = "An archive may have 10 MiB at most, as it is sent and when it is unpacked."
	return f
}

func tooMany() error {
	f := fault.New(fault.TooLarge, "The archive has too many entries.")
	f.Detail = "An archive may have 4096 files and folders at most."
	return f
}

// shorten bounds a foreign name in a message.
func shorten(name string) string {
	const limit = 100
	if len(name) <= limit {
		return name
	}
	return strings.ToValidUTF8(name[:limit], "") + "…"
}
