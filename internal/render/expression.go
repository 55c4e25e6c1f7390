// SPDX-License-Identifier: Apache-2.0

package render

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common"
	celast "github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	apiservercel "k8s.io/apiserver/pkg/cel"

	"github.com/berth-dev/berth/internal/fault"
)

// longestExpression is in bytes.
const longestExpression = 4096

// expression is one compiled ${…}.
type expression struct {
	source  string
	program cel.Program
	result  *cel.Type
	// personal says that the value may depend on whose workspace it is.
	personal bool
}

// compile checks an expression against what may be named. The problem is a sentence that names what is wrong and shows
// the expression; nothing when there is none.
func (d *declarations) compile(source string) (*expression, string) {
	shown := show(source)
	switch {
	case strings.TrimSpace(source) == "":
		return nil, "an empty expression, " + shown + "; write $${ for a literal ${"
	case len(source) > longestExpression:
		return nil, fmt.Sprintf("an expression of %d bytes; at most %d are allowed", len(source), longestExpression)
	}
	parsed, issues := d.env.Parse(source)
	if issues.Err() != nil {
		return nil, fmt.Sprintf("%s is no expression: %s", shown, syntax(issues))
	}
	checked, issues := d.env.Check(parsed)
	if issues.Err() != nil {
		return nil, d.explain(parsed.NativeRep(), issues, shown)
	}
	if walksMap(checked.NativeRep()) {
		return nil, "the entries of a map have no order, so " + shown + " could differ from one start to the next; go through a list"
	}
	program, err := d.env.Program(checked, cel.CostLimit(costLimit))
	if err != nil {
		return nil, fmt.Sprintf("%s cannot be prepared: %v", shown, err)
	}
	return &expression{source: source, program: program, result: checked.OutputType(), personal: asksWhose(checked.NativeRep())}, ""
}

// show is an expression as its author wrote it, in quotes and short enough for a sentence.
func show(source string) string {
	const most = 120
	runes := []rune(source)
	if len(runes) > most {
		source = string(runes[:most]) + "…"
	}
	return `"${` + source + `}"`
}

// syntax is the first thing that the parser stumbled over.
func syntax(issues *cel.Issues) string {
	first := issues.Errors()[0]
	message, _, _ := strings.Cut(strings.TrimPrefix(first.Message, "Syntax error: "), "expecting {")
	return fmt.Sprintf("%s (character %d)", strings.TrimRight(message, " ,"), first.Location.Column()+1)
}

var (
	undefinedField      = regexp.MustCompile(`^undefined field '(.*)'$`)
	undeclaredReference = regexp.MustCompile(`^undeclared reference to '(.*)' \(in container '.*'\)$`)
	noOverload          = regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`)
)

// explain says in a person's words what the type checker found first.
func (d *declarations) explain(ast *celast.AST, issues *cel.Issues, shown string) string {
	first := issues.Errors()[0]
	if m := undefinedField.FindStringSubmatch(first.Message); m != nil {
		return d.noField(rootOf(ast, first), m[1], shown)
	}
	if m := undeclaredReference.FindStringSubmatch(first.Message); m != nil {
		return d.noRoot(ast, first, m[1], shown)
	}
	if m := noOverload.FindStringSubmatch(first.Message); m != nil {
		message := fmt.Sprintf("%s is not possible with %s in %s", operator(m[1]), m[2], shown)
		if strings.Contains(m[2], "double") && strings.Contains(m[2], "int") {
			message += "; an integer and a number do not mix: write 2.0 for 2, or int(…) or double(…) around one of them"
		}
		return message
	}
	return fmt.Sprintf("%s: %s", shown, first.Message)
}

// rootOf is the name before the dot of the field selection that an error speaks of; empty when there is none.
func rootOf(ast *celast.AST, e *common.Error) string {
	root := ""
	celast.PreOrderVisit(ast.Expr(), celast.NewExprVisitor(func(x celast.Expr) {
		if x.ID() == e.ExprID && x.Kind() == celast.SelectKind && x.AsSelect().Operand().Kind() == celast.IdentKind {
			root = x.AsSelect().Operand().AsIdent()
		}
	}))
	return root
}

func (d *declarations) noField(root, field, shown string) string {
	known := d.fields[root]
	switch {
	case root == "variables" && d.secret[field]:
		return fmt.Sprintf("variable %q stands in a Secret, and no expression sees it, in %s; use valueFrom.secretKeyRef", field, shown)
	case root == "parameters" || root == "variables":
		return didYouMean(fmt.Sprintf("no %s %q in %s", strings.TrimSuffix(root, "s"), field, shown), field, known)
	case known != nil:
		return didYouMean(fmt.Sprintf("%s has no field %q in %s; it has %s", root, field, shown, strings.Join(known, ", ")), field, known)
	}
	return fmt.Sprintf("no field %q in %s", field, shown)
}

func (d *declarations) noRoot(ast *celast.AST, e *common.Error, name, shown string) string {
	called := false
	celast.PreOrderVisit(ast.Expr(), celast.NewExprVisitor(func(x celast.Expr) {
		called = called || x.ID() == e.ExprID && x.Kind() == celast.CallKind
	}))
	if called {
		return didYouMean(fmt.Sprintf("no function %q in %s", name, shown), name, d.functions())
	}
	if name == "secrets" {
		return fmt.Sprintf("a Secret of the content cannot be named here, in %s; %s", shown, whereSecretsAreNamed)
	}
	roots := make([]string, 0, len(d.fields))
	for root := range d.fields {
		roots = append(roots, root)
	}
	slices.Sort(roots)
	message := fmt.Sprintf("no %q in %s; an expression begins with %s", name, shown, strings.Join(roots, ", "))
	if slices.Contains(d.fields["parameters"], name) {
		return message + fmt.Sprintf("; did you mean %q?", "parameters."+name)
	}
	return didYouMean(message, name, roots)
}

// functions are the names that people may call, without those of operators and of what no expression can reach.
func (d *declarations) functions() []string {
	var names []string
	for name := range d.env.Functions() {
		if !strings.ContainsAny(name, "_@!") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func didYouMean(message, name string, known []string) string {
	if near := fault.Nearest(name, known); near != "" {
		return message + fmt.Sprintf("; did you mean %q?", near)
	}
	return message
}

// operator is the sign that CEL calls _+_.
func operator(function string) string {
	if sign := strings.Trim(function, "_"); strings.Contains(function, "_") && sign != "" {
		return sign
	}
	return function
}

// walksMap tells whether a macro goes through a map, whose order changes with each run, or through something of which
// that is not known.
func walksMap(ast *celast.AST) bool {
	found := false
	celast.PreOrderVisit(ast.Expr(), celast.NewExprVisitor(func(x celast.Expr) {
		if x.Kind() == celast.ComprehensionKind {
			found = found || ast.GetType(x.AsComprehension().IterRange().ID()).Kind() != types.ListKind
		}
	}))
	return found
}

// mismatch says why a result of the type cannot stand for a field of the shape; nothing when it can, as far as that is
// known before the expression runs.
func mismatch(s shape, result *cel.Type) string {
	if result.Kind() == types.DynKind {
		return ""
	}
	if strings.HasPrefix(result.TypeName(), "optional_type") {
		return "may have no value; end it with .orValue(…)"
	}
	var fits bool
	switch s {
	case textShape:
		fits = isText(result)
	case truthShape:
		fits = result.Kind() == types.BoolKind
	case wholeShape:
		fits = result.Kind() == types.IntKind || result.Kind() == types.UintKind
	case decimalShape:
		fits = isNumber(result)
	case quantityShape:
		fits = isNumber(result) || result.Kind() == types.StringKind || isQuantity(result)
	case portShape:
		fits = result.Kind() == types.IntKind || result.Kind() == types.StringKind
	case listShape:
		fits = result.Kind() == types.ListKind && (len(result.Parameters()) == 0 || isText(result.Parameters()[0]))
	case textMapShape, quantityMapShape:
		fits = result.Kind() == types.MapKind
	case objectShape, objectListShape, otherShape:
		return "stands for more than one value; write the field out and use expressions inside it"
	}
	if fits {
		return ""
	}
	hint := ""
	if s == wholeShape && result.Kind() == types.DoubleKind {
		hint = "; put int(…) around it"
	}
	if s == textShape && result.Kind() == types.ListKind {
		hint = "; put .join(\",\") behind it"
	}
	return fmt.Sprintf("is %s, and the field wants %s%s", typeName(result), s, hint)
}

func isNumber(t *cel.Type) bool {
	return t.Kind() == types.IntKind || t.Kind() == types.UintKind || t.Kind() == types.DoubleKind
}

func isQuantity(t *cel.Type) bool { return t.TypeName() == apiservercel.QuantityType.TypeName() }

// isText tells whether a value of the type can be written out within text.
func isText(t *cel.Type) bool {
	return isNumber(t) || t.Kind() == types.StringKind || t.Kind() == types.BoolKind || t.Kind() == types.DynKind || isQuantity(t)
}

// typeName is a CEL type as people call it.
func typeName(t *cel.Type) string {
	switch t.Kind() {
	case types.IntKind, types.UintKind:
		return "a whole number"
	case types.DoubleKind:
		return "a number"
	case types.StringKind:
		return "text"
	case types.BoolKind:
		return "true or false"
	case types.ListKind:
		return "a list"
	case types.MapKind:
		return "a map"
	}
	return "a value of type " + t.String()
}
