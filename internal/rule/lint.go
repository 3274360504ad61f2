package rule

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"github.com/google/uuid"

	"carewire/internal/event"
)

// maxTrials bounds the event types on which a new condition is tried.
const maxTrials = 8

// zoneFunctions are the methods of a timestamp that take a time zone.
var zoneFunctions = []string{
	"getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds",
}

// lint returns an error if a checked condition would fail on every event of one of the types, or
// could never hold. It changes the checked expression, so it comes after the program was made.
func lint(env *cel.Env, checked *cel.Ast, types []*event.Declaration, unless bool) error {
	if err := checkConstants(checked); err != nil {
		return err
	}
	return checkTypes(env, checked, types, unless)
}

// checkConstants returns an error for a constant with which the condition could never be evaluated,
// or never be true: an unknown time zone, a division by zero, a UUID in upper case.
func checkConstants(checked *cel.Ast) (err error) {
	ast.PostOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch {
		case err != nil:
		case e.Kind() == ast.CallKind:
			err = checkCall(e.AsCall())
		case e.Kind() == ast.LiteralKind:
			err = checkLiteral(e)
		}
	}))
	return err
}

func checkCall(call ast.CallExpr) error {
	name, args := call.FunctionName(), call.Args()
	switch {
	case len(args) == 1 && slices.Contains(zoneFunctions, name):
		if zone, ok := literal[string](args[0]); ok && !validZone(zone) {
			return fmt.Errorf("unknown time zone %q in %s; want an IANA name such as Europe/Berlin, or an offset such as +01:00", zone, name)
		}
	case len(args) == 2 && (name == operators.Divide || name == operators.Modulo):
		if n, ok := literal[int64](args[1]); ok && n == 0 {
			return errors.New("division by zero")
		}
	}
	return nil
}

func checkLiteral(e ast.Expr) error {
	text, ok := literal[string](e)
	if !ok || len(text) != 36 || strings.ToLower(text) == text {
		return nil
	}
	if id, err := uuid.Parse(text); err == nil {
		return fmt.Errorf("ids are compared as text: write %q in lower case", id)
	}
	return nil
}

// literal returns the value of a constant of the type.
func literal[T any](e ast.Expr) (value T, ok bool) {
	if e.Kind() != ast.LiteralKind {
		return value, false
	}
	value, ok = e.AsLiteral().Value().(T)
	return value, ok
}

// validZone reports whether CEL knows a time zone: an IANA name, or an offset in hours and minutes.
// Local is rejected, because it is another zone on each server.
func validZone(zone string) bool {
	hours, minutes, offset := strings.Cut(zone, ":")
	if !offset {
		_, err := time.LoadLocation(zone)
		return err == nil && zone != "Local"
	}
	h, err := strconv.Atoi(hours)
	m, err2 := strconv.Atoi(minutes)
	return err == nil && err2 == nil && h > -24 && h < 24 && m >= 0 && m < 60
}

// checkTypes checks the condition again with the types of the data's fields, which CEL does not
// know otherwise. It rewrites the checked condition.
func checkTypes(env *cel.Env, checked *cel.Ast, types []*event.Declaration, unless bool) error {
	used, _ := dataFields(checked)
	slices.Sort(used)
	var variables []cel.EnvOption
	for _, name := range slices.Compact(used) {
		variables = append(variables, cel.Variable("data."+name, commonType(name, types)))
	}
	if len(variables) == 0 {
		return nil
	}
	typed, err := env.Extend(variables...)
	if err != nil {
		return fmt.Errorf("make CEL environment: %w", err)
	}
	if _, issues := typed.Check(checked); len(issues.Errors()) > 0 {
		if text := explain(withoutFieldEquality(issues, checked), unless); text != "" {
			return errors.New(text)
		}
	}
	return nil
}

// withoutFieldEquality returns the issues without those of comparing two fields of different types
// for equality: that never holds, but it is no error when it is evaluated.
func withoutFieldEquality(issues *cel.Issues, checked *cel.Ast) *cel.Issues {
	tolerated := map[int64]bool{}
	ast.PostOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		name := e.AsCall().FunctionName()
		constant := slices.ContainsFunc(e.AsCall().Args(), func(arg ast.Expr) bool { return arg.Kind() != ast.IdentKind && arg.Kind() != ast.SelectKind })
		tolerated[e.ID()] = !constant && (name == operators.Equals || name == operators.NotEquals)
	}))
	errs := slices.DeleteFunc(slices.Clone(issues.Errors()), func(e *cel.Error) bool { return tolerated[e.ExprID] })
	return cel.NewIssues(common.NewErrors(common.NewTextSource("")).Append(errs))
}

// commonType returns the CEL type of a field that several event types have, or dyn if it differs.
func commonType(name string, types []*event.Declaration) (common *cel.Type) {
	for _, d := range types {
		field := fieldOf(d, name)
		if field == nil {
			continue
		}
		typ := celType(field)
		if common != nil && !common.IsExactType(typ) {
			return cel.DynType
		}
		common = typ
	}
	if common == nil {
		return cel.DynType
	}
	return common
}

// celType returns the type of a field's JSON value.
func celType(t reflect.Type) *cel.Type {
	switch {
	case t.Kind() == reflect.Pointer:
		if base := celType(t.Elem()); base == cel.StringType || base == cel.IntType || base == cel.BoolType {
			return cel.NullableType(base)
		}
	case t == reflect.TypeFor[uuid.UUID](), t == reflect.TypeFor[time.Time](), t.Kind() == reflect.String:
		return cel.StringType
	case t.Kind() == reflect.Bool:
		return cel.BoolType
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return cel.IntType
	case t.Kind() == reflect.Slice:
		return cel.ListType(celType(t.Elem()))
	}
	return cel.DynType
}

// try evaluates the condition on an example of each event type and returns an error of types, which
// are the same in every event. Other errors depend on the values.
func (c *condition) try(types []*event.Declaration) error {
	for _, d := range types[:min(len(types), maxTrials)] {
		example := event.Example(d.Type)
		_, err := c.holds((&variables{event: &example}).about(uuid.Nil, ""))
		if causeOf(err) == CauseType {
			return fmt.Errorf("mixes values of different types on %s: %w", d.Type, err)
		}
	}
	return nil
}
