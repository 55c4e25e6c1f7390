// SPDX-License-Identifier: Apache-2.0

package render

import (
	"strings"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// leaf is one scalar field of a content, compiled.
type leaf struct {
	path  string
	shape shape
	// literal is the value of a field without expressions.
	literal any
	// pieces are the parts of a text with expressions; a single one is an expression that keeps its type.
	pieces []compiledPiece
	// expands says that Kubernetes expands $(NAME) in the field.
	expands bool
	// secret is the Secret of the content whose metadata.name the field holds; empty for every other field.
	secret string
}

// compiledPiece is literal text, or an expression.
type compiledPiece struct {
	literal    string
	expression *expression
}

func (l *leaf) dynamic() bool { return len(l.pieces) > 0 }

// protect keeps Kubernetes from expanding $(NAME) in what an expression gave: a person's own words must not read the
// container's environment. The author's own $(NAME) around it stays.
func (l *leaf) protect(text string) string {
	if l.expands {
		return strings.ReplaceAll(text, "$", "$$")
	}
	return text
}

// text compiles a field that may hold expressions. Its result is nil, with the problem noted, when it does not compile.
func (c *compiler) text(path, text string, s shape, expands bool) *leaf {
	l := &leaf{path: path, shape: s, expands: expands}
	pieces, err := split(text)
	if err != nil {
		c.wrong(path, v1alpha1.ReasonExpressionInvalid, "%v", err)
		return nil
	}
	dynamic := false
	for _, p := range pieces {
		if !p.expression {
			l.pieces = append(l.pieces, compiledPiece{literal: p.text})
			continue
		}
		dynamic = true
		x := c.expression(path, p.text)
		if x == nil {
			return nil
		}
		l.pieces = append(l.pieces, compiledPiece{expression: x})
	}
	if !dynamic {
		l.literal, l.pieces = literal(pieces), nil
		return l
	}
	if !c.fits(l) {
		return nil
	}
	return l
}

// expression compiles one expression and counts it.
func (c *compiler) expression(path, source string) *expression {
	if c.expressions++; c.expressions > mostExpressions {
		if c.expressions == mostExpressions+1 {
			c.wrong(path, v1alpha1.ReasonExpressionInvalid, "more than %d expressions in one content", mostExpressions)
		}
		return nil
	}
	x, problem := c.declared.compile(source)
	if problem != "" {
		c.wrong(path, v1alpha1.ReasonExpressionInvalid, "%s", problem)
		return nil
	}
	return x
}

// fits checks the types of a leaf's expressions against its field.
func (c *compiler) fits(l *leaf) bool {
	if len(l.pieces) == 1 {
		x := l.pieces[0].expression
		if problem := mismatch(l.shape, x.result); problem != "" {
			c.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%s %s", show(x.source), problem)
			return false
		}
		return true
	}
	if l.shape != textShape && l.shape != quantityShape && l.shape != portShape {
		c.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "the field wants %s: let one ${…} be the whole value", l.shape)
		return false
	}
	for _, p := range l.pieces {
		if p.expression == nil {
			continue
		}
		if problem := mismatch(textShape, p.expression.result); problem != "" {
			c.wrong(l.path, v1alpha1.ReasonExpressionInvalid, "%s %s", show(p.expression.source), problem)
			return false
		}
	}
	return true
}

// literal joins the pieces of a text without expressions.
func literal(pieces []piece) string {
	var text strings.Builder
	for _, p := range pieces {
		text.WriteString(p.text)
	}
	return text.String()
}
