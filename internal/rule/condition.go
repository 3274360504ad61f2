package rule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"github.com/google/uuid"

	"carewire/internal/care"
	"carewire/internal/event"
)

// Bounds of one condition. The cost is CEL's own measure, about one a step; a condition that
// compares some fields costs less than 50.
const (
	maxConditionLength = 2000
	maxConditionCost   = 10_000
	maxRegexProgram    = 200
	// maxIssues bounds the reported mistakes of one condition.
	maxIssues = 10
	// maxConditions bounds the conditions of a set together, in characters: compiling takes up to
	// 15 µs a character.
	maxConditions = 64_000
	// maxBroken bounds the characters of invalid conditions, after which the others of the set are
	// not compiled: CEL takes up to 70 µs a character to report the mistakes.
	maxBroken = 4000
)

// eventFields and recipientFields are the variables of a condition, each declared under its dotted
// name, so that a misspelt one is an error at loading.
var (
	eventFields     = []string{"id", "type", "source", "subject", "time", "clinicid", "personid", "actorid", "actorrole", "subjectversion", "imported"}
	recipientFields = []string{"id", "role"}
)

// environments returns the CEL environments of when and of unless. They are built once: each takes
// milliseconds.
var environments = sync.OnceValues(newEnvironments)

func newEnvironments() ([2]*cel.Env, error) {
	options := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxConditionLength),
		cel.ParserRecursionLimit(32),
		cel.ASTValidators(
			cel.ValidateRegexLiterals(), cel.ValidateRegexProgramSizeLimit(maxRegexProgram), cel.ValidateTimestampLiterals(),
			cel.ValidateDurationLiterals(), cel.ValidateComprehensionNestingLimit(1),
		),
		cel.Variable("data", cel.MapType(cel.StringType, cel.DynType)),
	}
	special := map[string]*cel.Type{"time": cel.TimestampType, "subjectversion": cel.IntType, "imported": cel.BoolType}
	for _, name := range eventFields {
		typ := special[name]
		if typ == nil {
			typ = cel.StringType
		}
		options = append(options, cel.Variable("event."+name, typ))
	}
	when, err := cel.NewEnv(options...)
	if err != nil {
		return [2]*cel.Env{}, fmt.Errorf("make CEL environment: %w", err)
	}
	unless, err := when.Extend(cel.Variable("recipient.id", cel.StringType), cel.Variable("recipient.role", cel.StringType))
	if err != nil {
		return [2]*cel.Env{}, fmt.Errorf("make CEL environment: %w", err)
	}
	for _, env := range []*cel.Env{when, unless} {
		// A checker lists the names that it may suggest when it first meets an unknown one, while others
		// may read that list without a lock (cel-go 0.33.2). It does so here, before it is shared.
		if _, issues := env.Compile("unknown"); issues.Err() == nil {
			return [2]*cel.Env{}, errors.New("make CEL environment: an unknown name is accepted")
		}
	}
	return [2]*cel.Env{when, unless}, nil
}

// condition is a compiled CEL expression that returns a bool.
type condition struct {
	program cel.Program
}

// compileCondition checks and compiles the expression for these event types; without any, the data's
// fields are not checked. With predict it also returns an error if the condition would fail on events,
// or never hold. The error is a message for the author.
func compileCondition(source string, unless, predict bool, types []*event.Declaration) (*condition, error) {
	envs, err := environments()
	if err != nil {
		return nil, err
	}
	env := envs[0]
	if unless {
		env = envs[1]
	}
	if len(source) > maxConditionLength {
		return nil, fmt.Errorf("is longer than %d characters: shorten it", maxConditionLength)
	}
	checked, issues := env.Compile(source)
	if len(issues.Errors()) > 0 { // Err would quote the source for each.
		return nil, errors.New(explain(issues, unless))
	}
	if !checked.OutputType().IsExactType(cel.BoolType) && len(types) > 0 && !isBooleanField(checked, types) {
		return nil, fmt.Errorf("gives %s, not true or false: write a comparison", checked.OutputType())
	}
	if len(types) > 0 {
		if err := checkDataFields(checked, types); err != nil {
			return nil, err
		}
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxConditionCost))
	if err != nil {
		return nil, fmt.Errorf("cannot be compiled: %w", err)
	}
	compiled := &condition{program: program}
	if predict && len(types) > 0 {
		if err := lint(env, checked, types, unless); err != nil {
			return nil, err
		}
		if err := compiled.try(types); err != nil {
			return nil, err
		}
	}
	return compiled, nil
}

// explain returns CEL's messages on one line, with the valid names if a name is unknown.
func explain(issues *cel.Issues, unless bool) string {
	var messages []string
	unknown := false
	for _, issue := range issues.Errors()[:min(len(issues.Errors()), maxIssues)] {
		messages = append(messages, strings.Join(strings.Fields(issue.Message), " "))
		unknown = unknown || strings.Contains(issue.Message, "undeclared reference")
	}
	text := strings.Join(messages, "; ")
	if unknown {
		text += ". There are data.<field>, event." + strings.Join(eventFields, ", event.")
		if unless {
			text += ", recipient." + strings.Join(recipientFields, ", recipient.")
		}
	}
	return text
}

// isBooleanField reports whether the whole condition is one field of the data, such as
// data.released, that is a boolean in every matched type. CEL does not know the fields' types.
func isBooleanField(checked *cel.Ast, types []*event.Declaration) bool {
	root := checked.NativeRep().Expr()
	if root.Kind() != ast.SelectKind || root.AsSelect().IsTestOnly() {
		return false
	}
	operand := root.AsSelect().Operand()
	if operand.Kind() != ast.IdentKind || operand.AsIdent() != "data" {
		return false
	}
	return !slices.ContainsFunc(types, func(d *event.Declaration) bool {
		return !slices.ContainsFunc(d.Fields(), func(f event.Field) bool {
			return f.Name == root.AsSelect().FieldName() && f.Type == "boolean" && !f.Nullable
		})
	})
}

// checkDataFields returns an error for a field that an event of a matched type may lack, unless the
// condition tests it with has().
func checkDataFields(checked *cel.Ast, types []*event.Declaration) error {
	used, asked := dataFields(checked)
	for _, name := range used {
		if !slices.ContainsFunc(types, func(d *event.Declaration) bool { return fieldOf(d, name) != nil }) {
			return fmt.Errorf("data.%s: no event that the pattern matches has this field; %s has %s", name, types[0].Type, strings.Join(fieldNames(types[0]), ", "))
		}
		if slices.Contains(asked, name) {
			continue
		}
		for _, d := range types {
			if _, ok := d.Defaults()[name]; !ok && !slices.Contains(d.Required(), name) {
				return fmt.Errorf("data.%s: %s may lack this field; write has(data.%s) && … or narrow the pattern", name, d.Type, name)
			}
		}
	}
	return nil
}

// dataFields returns the fields of data that the expression reads, and those that it tests with
// has().
func dataFields(checked *cel.Ast) (used, asked []string) {
	ast.PostOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		isData := func(o ast.Expr) bool { return o.Kind() == ast.IdentKind && o.AsIdent() == "data" }
		//nolint:exhaustive // Other kinds read no field.
		switch e.Kind() {
		case ast.SelectKind:
			if s := e.AsSelect(); isData(s.Operand()) {
				if s.IsTestOnly() {
					asked = append(asked, s.FieldName())
				}
				used = append(used, s.FieldName())
			}
		case ast.CallKind:
			c := e.AsCall()
			if c.FunctionName() == operators.Index && isData(c.Args()[0]) && c.Args()[1].Kind() == ast.LiteralKind {
				if name, ok := c.Args()[1].AsLiteral().Value().(string); ok {
					used = append(used, name)
				}
			}
		}
	}))
	return used, asked
}

// holds evaluates the condition.
func (c *condition) holds(vars cel.Activation) (bool, error) {
	out, _, err := c.program.Eval(vars)
	if err != nil {
		return false, &evalError{classify(err), err}
	}
	holds, ok := out.Value().(bool)
	if !ok {
		return false, &evalError{CauseType, fmt.Errorf("the result is a %s", out.Type().TypeName())}
	}
	return holds, nil
}

// variables resolves the variables of a condition from one event, on demand. It is not safe for
// concurrent use.
type variables struct {
	event   *event.Event
	data    map[string]any
	decoded bool
}

// Parent implements cel.Activation.
func (v *variables) Parent() cel.Activation { return nil }

// ResolveName implements cel.Activation. It returns a variable by its dotted name.
func (v *variables) ResolveName(name string) (any, bool) {
	e := v.event
	switch name {
	case "data":
		return v.decode(), true
	case "event.id":
		return e.ID.String(), true
	case "event.type":
		return e.Type, true
	case "event.source":
		return e.Source, true
	case "event.subject":
		return e.Subject, true
	case "event.time":
		return e.Time, true
	case "event.clinicid":
		return idText(e.ClinicID), true
	case "event.personid":
		return idText(e.PersonID), true
	case "event.actorid":
		return e.ActorID, true
	case "event.actorrole":
		return e.ActorRole, true
	case "event.subjectversion":
		if e.SubjectVersion == nil {
			return int64(0), true
		}
		return *e.SubjectVersion, true
	case "event.imported":
		return e.Imported, true
	}
	return nil, false
}

// decode returns the decoded data. Data that is not an object decodes as empty: a condition on one
// of its fields then fails.
func (v *variables) decode() map[string]any {
	if v.decoded {
		return v.data
	}
	v.decoded = true
	dec := json.NewDecoder(bytes.NewReader(v.event.Data))
	dec.UseNumber()
	if err := dec.Decode(&v.data); err != nil || v.data == nil {
		v.data = map[string]any{}
		return v.data
	}
	for name, value := range v.data {
		v.data[name] = plain(value)
	}
	if d, ok := event.Lookup(v.event.Type); ok {
		v.addDefaults(d)
	}
	return v.data
}

// addDefaults adds fields that the event's type has by now and that the event was written without.
func (v *variables) addDefaults(d *event.Declaration) {
	for name, value := range d.Defaults() {
		if _, ok := v.data[name]; !ok {
			v.data[name] = value
		}
	}
}

// plain converts whole JSON numbers to int64, as a rule's author expects of data.version.
func plain(value any) any {
	switch x := value.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, _ := x.Float64()
		return f
	case []any:
		for i := range x {
			x[i] = plain(x[i])
		}
	case map[string]any:
		for name := range x {
			x[name] = plain(x[name])
		}
	}
	return value
}

// id returns the id in a field of the data, or the zero id.
func (v *variables) id(field string) uuid.UUID {
	text, _ := v.decode()[field].(string)
	return parseID(text)
}

// about returns the variables with the recipient added, for unless.
func (v *variables) about(personID uuid.UUID, role care.Role) cel.Activation {
	return &recipientVariables{variables: v, id: personID, role: role}
}

type recipientVariables struct {
	*variables
	id   uuid.UUID
	role care.Role
}

// ResolveName implements cel.Activation. It returns a variable by its dotted name.
func (v *recipientVariables) ResolveName(name string) (any, bool) {
	switch name {
	case "recipient.id":
		return v.id.String(), true
	case "recipient.role":
		return string(v.role), true
	}
	return v.variables.ResolveName(name)
}

func idText(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}
