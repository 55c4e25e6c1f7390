// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-dev/berth/apiserver"
)

// Other tools read this list, so its form is kept: METHOD, PATH, TAG, DOOR, ACTION and FILE:LINE, between tabs. The
// place is the row's last line in its table, where what it does stands.
func TestList(t *testing.T) {
	t.Chdir("../..") // as make does
	var out strings.Builder
	if err := list(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if want := len(apiserver.Routes(apiserver.Deps{})); len(lines) != want {
		t.Errorf("%d lines, want %d", len(lines), want)
	}
	form := regexp.MustCompile(`^(GET|POST|PUT|PATCH|DELETE)\t(/\S*)\t[A-Z][A-Za-z ]*\t[a-z-]+\t[a-z]+\t(apiserver/\S+\.go):([0-9]+)$`)
	for _, line := range lines {
		found := form.FindStringSubmatch(line)
		if found == nil {
			t.Errorf("%q has another form", line)
			continue
		}
		text, err := os.ReadFile(found[3])
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(found[4])
		if err != nil {
			t.Fatal(err)
		}
		source := strings.Split(string(text), "\n")
		if n < 2 || n > len(source) || !strings.Contains(source[n-2]+source[n-1], `"`+found[2]+`"`) {
			t.Errorf("%s does not stand at %s:%d", found[2], found[3], n)
		}
	}
}
