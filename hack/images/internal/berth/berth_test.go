// SPDX-License-Identifier: Apache-2.0

package berth

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/berth-dev/berth/hack/images/internal/layer"
)

func TestReadList(t *testing.T) {
	tests := map[string]struct {
		text    string
		want    []entry
		wantErr string
	}{
		"three kinds": {
			text: "# a comment\n\nprogram cmd/a /usr/bin/a\n  file  LICENSE\t/LICENSE\nhost /etc/x /etc/x\n",
			want: []entry{{program, "cmd/a", "/usr/bin/a"}, {file, "LICENSE", "/LICENSE"}, {host, "/etc/x", "/etc/x"}},
		},
		"another kind":             {text: "folder a /a\n", wantErr: ":1: kind folder"},
		"two words":                {text: "\nfile a\n", wantErr: ":2: 2 words"},
		"relative destination":     {text: "file a b\n", wantErr: "destination b"},
		"roundabout destination":   {text: "file a /x/../b\n", wantErr: "destination /x/../b"},
		"outside the repository":   {text: "file ../a /a\n", wantErr: "source ../a"},
		"absolute, but not a host": {text: "file /a /a\n", wantErr: "source /a"},
		"relative host":            {text: "host a /a\n", wantErr: "source a"},
		"twice":                    {text: "file a /a\nfile b /a\n", wantErr: ":2: /a is in the list twice"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := readList(write(t, test.text))
			if test.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), test.wantErr) {
					t.Fatalf("error %v, want %q in it", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(entry{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A new command is forgotten nowhere: it is in the image, or this test fails.
func TestListNamesEveryProgram(t *testing.T) {
	entries, err := readList(filepath.Join(root, List))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, e := range entries {
		listed[e.source] = e.kind == program
	}
	mains, err := filepath.Glob(filepath.Join(root, "cmd", "*", "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, main := range mains {
		command := "cmd/" + filepath.Base(filepath.Dir(main))
		if !listed[command] {
			t.Errorf("%s does not name %s", List, command)
		}
	}
}

const root = "../../../.."

// agentList is a list whose sources are all small.
const agentList = `program cmd/berth-agent /usr/bin/berth-agent
file hack/images/etc/passwd /etc/passwd
host /etc/os-release /etc/host-release
host /no/such/file /etc/nothing
`

func TestImage(t *testing.T) {
	var images [2]v1.Image
	for i := range images {
		var said []string
		image, err := Build{
			Root: root, List: write(t, agentList), Bin: filepath.Join(t.TempDir(), "bin"), Layers: layer.Cache{Dir: t.TempDir()}, Version: "v1.2.3",
			Say: func(format string, arguments ...any) { said = append(said, fmt.Sprintf(format, arguments...)) },
		}.Image(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(said) != 1 || !strings.Contains(said[0], "/no/such/file") {
			t.Errorf("said %q", said)
		}
		images[i] = image
	}
	if one, two := digest(t, images[0]), digest(t, images[1]); one != two {
		t.Errorf("built twice it is %s and %s", one, two)
	}
	if err := validate.Image(images[0]); err != nil {
		t.Error(err)
	}
	config, err := images[0].ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c := config.Config; c.User != "65532:65532" || len(c.Entrypoint) > 0 || len(c.Cmd) > 0 || config.OS != "linux" {
		t.Errorf("config: %+v", config)
	}

	files := contents(t, images[0])
	place := filepath.Join(t.TempDir(), "agent")
	if err := os.WriteFile(place, files["usr/bin/berth-agent"], 0o755); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(place, "version").Output(); err != nil || string(said) != "v1.2.3\n" {
		t.Errorf("its agent says %q, %v", said, err)
	}

	// The Dockerfile's way comes to the same files.
	assembled := t.TempDir()
	assemble := exec.Command("sh", "hack/images/assemble.sh", assembled, "v1.2.3", write(t, agentList))
	assemble.Dir = root
	if said, err := assemble.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if diff := cmp.Diff(sums(files), sums(read(t, assembled))); diff != "" {
		t.Errorf("Dockerfile's files (-image +Dockerfile):\n%s", diff)
	}
}

func TestImageNamesWhatIsMissing(t *testing.T) {
	build := Build{
		Root: root, Bin: t.TempDir(), Layers: layer.Cache{Dir: t.TempDir()}, Say: func(string, ...any) {},
		List: write(t, agentList+"program cmd/berth-none /a\nfile none /b\n"),
	}
	if _, err := build.Image(t.Context()); err == nil || !strings.Contains(err.Error(), "cmd/berth-none none") {
		t.Errorf("%v, want both names", err)
	}
	build.Partial = true
	image, err := build.Image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := contents(t, image)["usr/bin/berth-agent"]; !ok {
		t.Error("what is there was not built")
	}
	build.List = write(t, "program cmd/berth-none /a\n")
	if _, err := build.Image(t.Context()); err == nil {
		t.Error("an image without any program was built")
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func digest(t *testing.T, image v1.Image) v1.Hash {
	t.Helper()
	hash, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// contents returns an image's regular files.
func contents(t *testing.T, image v1.Image) map[string][]byte {
	t.Helper()
	whole := mutate.Extract(image)
	defer whole.Close()
	files := map[string][]byte{}
	for entries := tar.NewReader(whole); ; {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if files[header.Name], err = io.ReadAll(entries); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(place string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, place)
		if err != nil {
			return err
		}
		files[name], err = os.ReadFile(place)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sums(files map[string][]byte) map[string]string {
	all := map[string]string{}
	for name, content := range files {
		all[name] = fmt.Sprintf("%x", sha256.Sum256(content))
	}
	return all
}
