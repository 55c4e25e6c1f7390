// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"k8s.io/apimachinery/pkg/api/resource"
	apiservercel "k8s.io/apiserver/pkg/cel"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// What one expression, and all expressions of one rendering together, may cost in CEL's units, and how long what they
// write may be, in bytes. The costs are a tenth of what Kubernetes allows its own rules: an expression that fills a
// field needs little, and half a second is the most that one content may hold up a manager.
const (
	costLimit    = 100_000
	costBudget   = 1_000_000
	longestText  = 32 << 10
	longestTotal = 1 << 20
)

// evaluation is one run of a content's expressions. It collects what goes wrong. A nil one stands for the time before
// any value is known: it gives the skeleton of a content, what the author wrote without the fields that hold
// expressions, on which names, structure and policy can be checked.
type evaluation struct {
	bindings map[string]any
	// secrets are the metadata.names of the content's Secrets, by their names in the content.
	secrets map[string]string
	// nobodys leaves out what depends on whose workspace it is.
	nobodys  bool
	cost     uint64
	written  int
	problems []Problem
}

func (e *evaluation) wrong(path, reason, format string, args ...any) {
	e.problems = append(e.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...), Reason: reason})
}

// value is what a leaf holds once its expressions have run: nil, with a problem noted, when one of them fails.
func (e *evaluation) value(l *leaf) any {
	switch {
	case l == nil:
		return nil
	case l.secret != "":
		return e.secretName(l)
	case !l.dynamic():
		return l.literal
	case e == nil || e.nobodys && l.personal():
		return nil
	}
	if len(l.pieces) == 1 {
		return e.whole(l)
	}
	var text strings.Builder
	for _, p := range l.pieces {
		if p.expression == nil {
			text.WriteString(p.literal)
			continue
		}
		x, ok := e.run(l, p.expression)
		if !ok {
			return nil
		}
		written, err := writeOut(x)
		if err != nil {
			e.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%s %v", show(p.expression.source), err)
			return nil
		}
		text.WriteString(l.protect(written))
	}
	if l.shape == quantityShape {
		if _, err := resource.ParseQuantity(text.String()); err != nil {
			e.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "becomes %q, which is not %s", shorten(text.String()), l.shape)
			return nil
		}
	}
	return e.bounded(l, text.String())
}

// whole is the value of a leaf that is one expression: it keeps its type, unless the field is text.
func (e *evaluation) whole(l *leaf) any {
	x, ok := e.run(l, l.pieces[0].expression)
	if !ok {
		return nil
	}
	native, err := fill(l, x)
	if err != nil {
		e.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%s %v", show(l.pieces[0].expression.source), err)
		return nil
	}
	if text, isText := native.(string); isText {
		return e.bounded(l, text)
	}
	return native
}

func (e *evaluation) bounded(l *leaf, text string) any {
	e.written += len(text)
	if len(text) > longestText || e.written > longestTotal {
		e.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "grows too large: at most %d KiB a field and %d KiB together are allowed", longestText>>10, longestTotal>>10)
		return nil
	}
	return text
}

func (e *evaluation) run(l *leaf, x *expression) (ref.Val, bool) {
	if e.cost > costBudget {
		e.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%s is too much: the expressions of this content take too long together", show(x.source))
		return nil, false
	}
	result, details, err := x.program.Eval(e.bindings)
	if details != nil && details.ActualCost() != nil {
		e.cost += *details.ActualCost()
	}
	if err != nil {
		e.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%s fails: %v", show(x.source), err)
		return nil, false
	}
	return result, true
}

// fill makes of a result what encoding/json can write into a field of the leaf's shape. Lists and maps hold scalars
// only: more would be a part of the pod that nobody checked.
func fill(l *leaf, x ref.Val) (any, error) {
	switch l.shape {
	case textShape:
		text, err := writeOut(x)
		return l.protect(text), err
	case quantityShape:
		text, err := writeOut(x)
		if err != nil {
			return nil, err
		}
		if _, err := resource.ParseQuantity(text); err != nil {
			return nil, fmt.Errorf("is %q, which is not %s", shorten(text), l.shape)
		}
		return text, nil
	case listShape:
		return fillList(l, x)
	case textMapShape, quantityMapShape:
		return fillMap(l, x)
	}
	return scalar(l.shape, x)
}

func scalar(s shape, x ref.Val) (any, error) {
	switch v := x.(type) {
	case types.Bool:
		if s == truthShape {
			return bool(v), nil
		}
	case types.Int:
		if s == wholeShape || s == decimalShape || s == portShape {
			return int64(v), nil
		}
	case types.Uint:
		if uint64(v) <= math.MaxInt64 && (s == wholeShape || s == decimalShape) {
			return int64(v), nil
		}
	case types.Double:
		if f := float64(v); s == decimalShape && !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f, nil
		}
	case types.String:
		if s == portShape {
			return string(v), nil
		}
	}
	return nil, fmt.Errorf("is not %s", s)
}

func fillList(l *leaf, x ref.Val) (any, error) {
	list, ok := x.(traits.Lister)
	if !ok {
		return nil, fmt.Errorf("is not %s", l.shape)
	}
	texts, size := []any{}, 0
	for i := types.Int(0); i < list.Size().(types.Int); i++ {
		text, err := writeOut(list.Get(i))
		if err != nil {
			return nil, fmt.Errorf("has an entry, %d, that %w", i, err)
		}
		if size += len(text); size > longestText {
			return nil, fmt.Errorf("grows too large")
		}
		texts = append(texts, l.protect(text))
	}
	return texts, nil
}

func fillMap(l *leaf, x ref.Val) (any, error) {
	entries, ok := x.(traits.Mapper)
	if !ok {
		return nil, fmt.Errorf("is not %s", l.shape)
	}
	texts := map[string]any{}
	for it := entries.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, fmt.Errorf("has a key that is not text")
		}
		text, err := writeOut(entries.Get(key))
		if err != nil {
			return nil, fmt.Errorf("has an entry, %q, that %w", name, err)
		}
		texts[string(name)] = text
	}
	return texts, nil
}

// writeOut is a result within text.
func writeOut(x ref.Val) (string, error) {
	switch v := x.(type) {
	case types.String:
		return string(v), nil
	case types.Int:
		return strconv.FormatInt(int64(v), 10), nil
	case types.Uint:
		return strconv.FormatUint(uint64(v), 10), nil
	case types.Bool:
		return strconv.FormatBool(bool(v)), nil
	case types.Double:
		if f := float64(v); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.FormatFloat(f, 'f', -1, 64), nil
		}
		return "", fmt.Errorf("is no number")
	case apiservercel.Quantity:
		return v.String(), nil
	case *apiservercel.Quantity:
		return v.String(), nil
	}
	return "", fmt.Errorf("cannot be written as text")
}

// text is what a leaf for text holds; empty when it is absent, fails or is not known yet.
func (e *evaluation) text(l *leaf) string {
	text, _ := e.value(l).(string)
	return text
}

// truth tells whether a leaf for true or false holds true; what is not known yet counts as true.
func (e *evaluation) truth(l *leaf) bool {
	if e == nil && l != nil && l.dynamic() {
		return true
	}
	is, _ := e.value(l).(bool)
	return is
}

// quantity is what a leaf for a quantity holds; false when there is none.
func (e *evaluation) quantity(l *leaf) (resource.Quantity, bool) {
	text, isText := e.value(l).(string)
	if !isText {
		return resource.Quantity{}, false
	}
	q, err := resource.ParseQuantity(text)
	return q, err == nil
}

// list is what leaves for a list of text hold.
func (e *evaluation) list(leaves []*leaf) []string {
	var texts []string
	for _, l := range leaves {
		texts = append(texts, e.text(l))
	}
	return texts
}
