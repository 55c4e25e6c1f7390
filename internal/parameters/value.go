// SPDX-License-Identifier: Apache-2.0

package parameters

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// Bounds of a value. A default of the CRD's longest length passes.
const (
	// maxText is the longest text, in bytes.
	maxText = 8192
	// maxItems is how many entries an array may have.
	maxItems = 128
	// maxRaw bounds what is parsed at all: every escape of a text of maxText takes at most six bytes.
	maxRaw = 6*maxText + 2
	// maxAll bounds all values of a workspace together, in bytes: they are kept in each of its builds, and are handed
	// to its programs in their environment.
	maxAll = 256 << 10
)

// exactFloat is the largest whole number up to which a float64 holds every one.
const exactFloat = 1 << 53

// Decode is the value as Go sees it: string, int64, float64, bool or []string, by the type. An error says what would be
// right; it does not show the value.
func Decode(t v1alpha1.ParameterType, v v1alpha1.Value) (any, error) {
	if v.IsNull() {
		return nil, fmt.Errorf("has no value; give %s", describe(t))
	}
	if len(v.Raw) > maxRaw && t != v1alpha1.TypeArray || len(v.Raw) > maxAll {
		return nil, errors.New("is too large")
	}
	decoder := json.NewDecoder(bytes.NewReader(v.Raw))
	decoder.UseNumber()
	var x any
	if err := decoder.Decode(&x); err != nil || decoder.InputOffset() != int64(len(bytes.TrimRight(v.Raw, " \t\r\n"))) {
		return nil, errors.New("is no JSON value")
	}
	switch t {
	case v1alpha1.TypeString:
		return decodeText(x)
	case v1alpha1.TypeInteger:
		return decodeInteger(x)
	case v1alpha1.TypeNumber:
		return decodeNumber(x)
	case v1alpha1.TypeBoolean:
		if b, ok := x.(bool); ok {
			return b, nil
		}
		return nil, errors.New("must be true or false, without quotes")
	case v1alpha1.TypeArray:
		return decodeList(x)
	}
	return nil, fmt.Errorf("has the unknown type %q", t)
}

func decodeText(x any) (string, error) {
	s, ok := x.(string)
	switch {
	case !ok:
		return "", errors.New("must be text; put it in quotes")
	case len(s) > maxText:
		return "", fmt.Errorf("is %d bytes long; at most %d are allowed", len(s), maxText)
	case strings.ContainsRune(s, 0):
		return "", errors.New("must not hold a NUL character")
	}
	return s, nil
}

func decodeInteger(x any) (int64, error) {
	n, ok := x.(json.Number)
	if !ok {
		if s, isText := x.(string); isText {
			if _, err := strconv.ParseInt(s, 10, 64); err == nil {
				return 0, errors.New("must be a whole number; leave out the quotes")
			}
		}
		return 0, errors.New("must be a whole number")
	}
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return i, nil
	}
	f, err := n.Float64()
	switch {
	case err != nil || math.Abs(f) > exactFloat:
		return 0, errors.New("is beyond what a whole number can be")
	case f != math.Trunc(f):
		return 0, fmt.Errorf("must be a whole number, not %s", n)
	}
	return int64(f), nil
}

func decodeNumber(x any) (float64, error) {
	n, ok := x.(json.Number)
	if !ok {
		if s, isText := x.(string); isText {
			if _, err := strconv.ParseFloat(s, 64); err == nil {
				return 0, errors.New("must be a number; leave out the quotes")
			}
		}
		return 0, errors.New("must be a number")
	}
	f, err := n.Float64()
	if err != nil {
		return 0, errors.New("is beyond what a number can be")
	}
	return f + 0, nil // makes 0 of -0, which JSON would keep
}

func decodeList(x any) ([]string, error) {
	items, ok := x.([]any)
	if !ok {
		return nil, errors.New("must be a list of text")
	}
	if len(items) > maxItems {
		return nil, fmt.Errorf("has %d entries; at most %d are allowed", len(items), maxItems)
	}
	texts := make([]string, 0, len(items))
	for i, item := range items {
		s, err := decodeText(item)
		if err != nil {
			return nil, fmt.Errorf("entry %d %w", i, err)
		}
		texts = append(texts, s)
	}
	return texts, nil
}

// encode is the canonical form of what Decode gave.
func encode(x any) v1alpha1.Value {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(x) != nil {
		return v1alpha1.Value{} // none of the five types fails
	}
	return v1alpha1.Value{Raw: bytes.TrimSpace(text.Bytes())}
}

// describe says what a value of the type looks like.
func describe(t v1alpha1.ParameterType) string {
	switch t {
	case v1alpha1.TypeInteger:
		return "a whole number"
	case v1alpha1.TypeNumber:
		return "a number"
	case v1alpha1.TypeBoolean:
		return "true or false"
	case v1alpha1.TypeArray:
		return "a list of text"
	}
	return "text"
}

// show is a value for a sentence: short, and text in quotes.
func show(x any) string {
	var s string
	switch x := x.(type) {
	case string:
		s = strconv.Quote(shorten(x, 64))
	default:
		s = shorten(encode(x).String(), 64)
	}
	return s
}

// shorten cuts a text at a character, not within one.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && s[most]&0xC0 == 0x80 {
		most--
	}
	return s[:most] + "…"
}
