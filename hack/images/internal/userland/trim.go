// SPDX-License-Identifier: Apache-2.0

package userland

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/berth-dev/berth/hack/images/internal/layer"
)

// emptied are directories that stay without what is in them: what a container's runtime puts there itself, what only
// apt needs, what nobody reads in a workspace, and what would tell of the machine that built.
func emptied() []string {
	return []string{
		"dev", "proc", "run", "sys", "tmp", "home", "etc/apt/apt.conf.d", "etc/apt/sources.list.d",
		"usr/share/bug", "usr/share/info", "usr/share/lintian", "usr/share/linda", "usr/share/locale", "usr/share/man",
		"var/cache", "var/lib/apt/lists", "var/log", "var/tmp",
	}
}

// dropped are files that do not stay.
func dropped() []string {
	return []string{
		"etc/apt/sources.list", "etc/hostname", "etc/machine-id", "etc/resolv.conf",
		"etc/group-", "etc/gshadow-", "etc/passwd-", "etc/shadow-", "var/lib/dpkg/status-old",
	}
}

// stays tells whether a file of the whole userland is in the image. Of the documentation the licences stay.
func stays(name string) bool {
	for _, directory := range emptied() {
		if strings.HasPrefix(name, directory+"/") {
			return false
		}
	}
	if slices.Contains(dropped(), name) {
		return false
	}
	if below, ok := strings.CutPrefix(name, "usr/share/doc/"); ok {
		return !strings.Contains(below, "/") || path.Base(below) == "copyright"
	}
	return true
}

// trim copies the tar at whole, whose order does not depend on the machine, to w: without what does not stay, with
// the user and his home, and with every file at the same time, without setuid and setgid bits, extended attributes or
// names of owners.
func trim(whole string, w *tar.Writer) (err error) {
	file, err := os.Open(whole)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()

	t := trimming{to: w, written: map[string]bool{}}
	from := tar.NewReader(file)
	for {
		header, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", whole, err)
		}
		if err := t.entry(header, from); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
	for _, added := range accounts() {
		if !t.written[added.file] {
			return fmt.Errorf("the userland has no %s", added.file)
		}
	}
	return t.home()
}

type trimming struct {
	to      *tar.Writer
	written map[string]bool
}

func (t *trimming) entry(from *tar.Header, content io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+from.Name), "/")
	if name == "" || !stays(name) {
		return nil
	}
	header := &tar.Header{
		Typeflag: from.Typeflag, Name: name, Linkname: from.Linkname, Size: from.Size,
		Mode: from.Mode & 0o1777, Uid: from.Uid, Gid: from.Gid, ModTime: layer.Epoch(),
	}
	switch from.Typeflag {
	case tar.TypeDir:
		header.Name += "/"
	case tar.TypeSymlink:
	case tar.TypeLink:
		header.Linkname = strings.TrimPrefix(path.Clean("/"+from.Linkname), "/")
		if !t.written[header.Linkname] {
			return fmt.Errorf("is a link to %s, which is not in the image before it", header.Linkname)
		}
	case tar.TypeReg:
		for _, added := range accounts() {
			if added.file == name {
				header.Size += int64(len(added.line))
				content = io.MultiReader(content, strings.NewReader(added.line))
			}
		}
	default:
		return nil // devices and pipes
	}
	if err := t.to.WriteHeader(header); err != nil {
		return err
	}
	t.written[name] = true
	if header.Size == 0 {
		return nil
	}
	_, err := io.Copy(t.to, content)
	return err
}

// account is a line that makes the user known.
type account struct{ file, line string }

func accounts() []account {
	return []account{
		{"etc/passwd", fmt.Sprintf("%s:x:%d:%d:Developer:%s:/bin/bash\n", userName, userID, userID, userHome)},
		{"etc/group", fmt.Sprintf("%s:x:%d:\n", userName, userID)},
		{"etc/shadow", userName + ":!::::::\n"},
	}
}

// home writes the user's home directory.
func (t *trimming) home() error {
	own := func(header tar.Header, content string) error {
		header.Uid, header.Gid, header.ModTime, header.Size = userID, userID, layer.Epoch(), int64(len(content))
		if err := t.to.WriteHeader(&header); err != nil {
			return err
		}
		_, err := io.WriteString(t.to, content)
		return err
	}
	home := strings.TrimPrefix(userHome, "/")
	if err := own(tar.Header{Typeflag: tar.TypeDir, Name: home + "/", Mode: 0o755}, ""); err != nil {
		return err
	}
	files, err := fs.ReadDir(recipe, "home")
	if err != nil {
		return err
	}
	for _, file := range files {
		content, err := recipe.ReadFile("home/" + file.Name())
		if err != nil {
			return err
		}
		if err := own(tar.Header{Typeflag: tar.TypeReg, Name: path.Join(home, file.Name()), Mode: 0o644}, string(content)); err != nil {
			return err
		}
	}
	return nil
}
