// SPDX-License-Identifier: Apache-2.0

package credentials

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/berth-dev/berth/internal/fault"
)

func TestPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		password string
		wantOK   bool
	}{
		"empty":                     {password: ""},
		"seven":                     {password: "1234567"},
		"eight":                     {password: "12345678", wantOK: true},
		"eight letters of two byte": {password: "éüöäàßçñ", wantOK: true},
		"sixty-four":                {password: strings.Repeat("ab", 32), wantOK: true},
		"sixty-five":                {password: strings.Repeat("a", 64) + "b"},
		"one character":             {password: "aaaaaaaaaa"},
		"no text":                   {password: "12345678\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			f := CheckPolicy(c.password)
			if (f == nil) != c.wantOK {
				t.Fatalf("%v, want ok %v", f, c.wantOK)
			}
			if f != nil && (len(f.Fields) != 1 || f.Fields[0].Path != "password" || c.password != "" && strings.Contains(f.Error(), c.password)) {
				t.Errorf("%v: want the field's name and not the password", f)
			}
		})
	}
}

func TestHash(t *testing.T) {
	h, ctx := newHasher(), t.Context()
	kept, err := h.hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.hash(ctx, "correct horse")
	if err != nil || kept == again {
		t.Errorf("%v: two hashes of one password must differ by their salt", err)
	}
	for name, c := range map[string]struct {
		password, kept string
		want           bool
		wantErr        bool
	}{
		"right":                 {password: "correct horse", kept: kept, want: true},
		"wrong":                 {password: "correct house", kept: kept},
		"empty":                 {kept: kept},
		"nobody":                {password: "correct horse"},
		"nobody, nothing":       {},
		"a cost of another's":   {password: "correct horse", kept: strings.Replace(kept, "m=19456", "m=4194304", 1), wantErr: true},
		"another algorithm":     {password: "correct horse", kept: "$2a$10$abc", wantErr: true},
		"damaged":               {password: "correct horse", kept: kept[:len(kept)-4], wantErr: true},
		"a hash of no bytes":    {password: "", kept: prefix() + "$", wantErr: true},
		"the stand-in's prefix": {password: "x", kept: prefix() + "AAAAAAAAAAAAAAAAAAAAAA$", wantErr: true},
	} {
		t.Run(name, func(t *testing.T) {
			have, err := h.check(ctx, c.password, c.kept)
			if have != c.want || (err != nil) != c.wantErr {
				t.Errorf("%v, %v, want %v and an error: %v", have, err, c.want, c.wantErr)
			}
			if err != nil && strings.Contains(err.Error(), kept[20:]) {
				t.Errorf("%v: the error quotes the hash", err)
			}
		})
	}
}

// However many sign in at once, a bounded number of hashes is computed, and those who cannot wait are told so.
func TestHashesAreBounded(t *testing.T) {
	h := newHasher()
	for range hashSlots {
		h.slots <- struct{}{} // somebody's hash is at work
	}
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	errs := make(chan error, 2*(hashSlots+hashQueue))
	for range cap(errs) {
		waiting.Go(func() {
			_, err := h.check(ctx, "x", "")
			errs <- err
		})
	}
	turnedAway := 0
	for range cap(errs) - (hashSlots + hashQueue) {
		if err := <-errs; fault.Is(err, fault.Unavailable) {
			turnedAway++
		}
	}
	if want := cap(errs) - (hashSlots + hashQueue); turnedAway != want {
		t.Errorf("%d were turned away at once, want %d", turnedAway, want)
	}
	cancel()
	waiting.Wait()
	close(errs)
	for err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want those who wait to leave with their request", err)
		}
	}
}
