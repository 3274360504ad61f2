package migrations_test

import (
	"slices"
	"strings"
)

// finding is a statement that a live system cannot bear.
type finding struct{ rule, table, why string }

// reader reads a migration from its beginning to its end and finds what locks a table for long. What it has learned of the
// migrations before stays with it.
type reader struct {
	// checks are the constraints that say that a column is not null, by table and name; validated are those that were proved.
	checks, validated map[string]map[string]string

	// made are the tables that this migration makes itself, locked those it has changed, dropped the names it has dropped.
	made, locked, dropped map[string]bool
	noTransaction         bool
	found                 []finding
}

func newReader() *reader {
	return &reader{checks: map[string]map[string]string{}, validated: map[string]map[string]string{}}
}

// read returns what is wrong with one migration's Up part.
func (r *reader) read(sql string) []finding {
	up, _, _ := strings.Cut(sql, "-- +goose Down")
	r.made, r.locked, r.dropped, r.found = map[string]bool{}, map[string]bool{}, map[string]bool{}, nil
	r.noTransaction = strings.Contains(up, "-- +goose NO TRANSACTION")
	all := statements(up)
	if len(all) == 0 || !setsLockTimeout(all[0]) {
		r.add("lock-timeout", "", "the first statement is not SET lock_timeout = '…'")
	}
	for _, s := range all {
		r.statement(s)
	}
	return r.found
}

func setsLockTimeout(s statement) bool {
	rest, ok := s.begins("set")
	if rest = rest.skip("local"); !ok || len(rest) < 3 || rest[0] != "lock_timeout" {
		return false
	}
	value, _ := rest[2].quoted()
	return value != "" && strings.Trim(value, "0 ms") != ""
}

func (r *reader) add(rule, table, why string) { r.found = append(r.found, finding{rule, table, why}) }

// change is what a statement does to a table that has been there before.
func (r *reader) change(table, rule, why string) {
	if !r.made[table] {
		r.add(rule, table, why)
	}
}

// once notes that a statement cannot run twice, as one outside a transaction may have to.
func (r *reader) once(what string) {
	if r.noTransaction {
		r.add("repeatable", "", what+" cannot run again after a failure half-way; drop it IF EXISTS first")
	}
}

func (r *reader) statement(s statement) {
	switch s[0] {
	case "create":
		r.create(s)
	case "alter":
		r.alter(s)
	case "drop":
		if i := s.index("if", "exists"); i >= 0 && i+2 < len(s) {
			r.dropped[table(s[i+2])] = true
		} else {
			r.once("a DROP without IF EXISTS")
		}
	case "do":
		for _, t := range s {
			if body, ok := t.quoted(); ok {
				r.body(body)
			}
		}
	case "reindex", "cluster", "vacuum", "lock", "refresh":
		if short := s.has("concurrently") || s[0] == "vacuum" && !s.has("full"); !short {
			name := s[1:].skip("table", "index", "materialized", "view", "full")
			r.change(table(name[0]), string(s[0]), "locks the table for as long as it takes")
		}
	case "insert":
		r.once("an INSERT")
	}
}

// body reads what a DO block runs, also what it puts together as text.
func (r *reader) body(sql string) {
	for _, s := range statements(sql) {
		for i, t := range s {
			if text, ok := t.quoted(); ok {
				r.body(text)
			}
			if slices.Contains([]token{"alter", "create", "reindex", "cluster", "lock", "refresh"}, t) && i+1 < len(s) {
				r.statement(s[i:])
				break
			}
		}
	}
}

func (r *reader) create(s statement) {
	rest := s[1:].skip("or", "replace", "unlogged", "temporary", "temp", "unique")
	switch {
	case len(rest) == 0:
	case rest[0] == "table":
		r.made[table(rest[1:].skip("if", "not", "exists")[0])] = true
		if !rest.has("if", "not", "exists") {
			r.once("a CREATE TABLE")
		}
	case rest[0] == "index":
		r.createIndex(rest[1:])
	case !s.has("or", "replace"):
		r.once("a CREATE")
	}
}

func (r *reader) createIndex(s statement) {
	on := s.index("on")
	if on < 0 || on+1 >= len(s) {
		return
	}
	name := s[on+1:].skip("only")
	switch {
	case !s.has("concurrently"):
		if s[on+1] != "only" { // On the partitioned table alone: its partitions' indexes are attached.
			r.change(table(name[0]), "create-index", "locks the table against writes while it builds: CONCURRENTLY, in a migration with NO TRANSACTION")
		}
	case !r.noTransaction:
		r.add("no-transaction", table(name[0]), "CONCURRENTLY needs -- +goose NO TRANSACTION")
	case !r.dropped[table(s[1:].skip("if", "not", "exists")[0])]:
		r.once("a CREATE INDEX CONCURRENTLY")
	}
}

func (r *reader) alter(s statement) {
	switch {
	case len(s) > 3 && s[1] == "table":
		rest := s[2:].skip("if", "exists", "only")
		name := table(rest[0])
		for _, sub := range rest[1:].list() {
			r.alterTable(name, sub)
		}
		r.locked[name] = true
	case len(s) > 3 && s[1] == "domain" && !s.has("not", "valid") && (s.has("add") || s.has("validate") || s.has("set", "not", "null")):
		r.add("add-constraint", table(s[2]), "reads every table that uses the domain: NOT VALID, then VALIDATE CONSTRAINT in a later migration")
	}
}

func (r *reader) alterTable(name string, s statement) {
	if len(s) == 0 {
		return
	}
	switch s[0] {
	case "add":
		r.addTo(name, s[1:])
	case "alter":
		r.alterColumn(name, s[1:].skip("column"))
	case "drop":
		if i := s.index("if", "exists"); i >= 0 && i+2 < len(s) {
			r.dropped[name+"."+string(s[i+2])] = true
		} else if s.has("constraint") || s.has("column") {
			r.once("a DROP without IF EXISTS")
		}
	case "validate":
		r.validate(name, string(s[len(s)-1]))
	case "attach":
		r.change(name, "attach-partition", "reads the partition under a lock unless a validated CHECK proves its bounds")
	case "set":
		if len(s) > 1 && slices.Contains([]token{"logged", "unlogged", "tablespace", "access"}, s[1]) {
			r.change(name, "rewrite", "writes the whole table anew")
		}
	}
}

// addTo reads ADD [CONSTRAINT …] and ADD [COLUMN …].
func (r *reader) addTo(name string, s statement) {
	constraint := ""
	if rest, ok := s.begins("constraint"); ok && len(rest) > 1 {
		constraint, s = string(rest[0]), rest[1:]
	}
	kinds := []token{"check", "foreign", "unique", "primary", "exclude"}
	if constraint != "" || slices.Contains(kinds, s[0]) {
		r.addConstraint(name, constraint, s)
		return
	}
	r.addColumn(name, s.skip("column"))
}

func (r *reader) addConstraint(name, constraint string, s statement) {
	if constraint == "" || !r.dropped[name+"."+constraint] {
		r.once("an ADD CONSTRAINT")
	}
	later := s.has("not", "valid")
	if (s[0] == "check" || s[0] == "not" || s[0] == "foreign") && later {
		// CHECK (column IS NOT NULL) NOT VALID.
		if i := s.index("is", "not", "null"); i == 3 && len(s) == 9 {
			put(r.checks, name, constraint, string(s[2]))
		}
		return
	}
	if s.has("using", "index") {
		return
	}
	r.change(name, "add-constraint", "reads the whole table under its lock: NOT VALID, then VALIDATE CONSTRAINT in a later migration; a unique one USING INDEX of one that was built CONCURRENTLY")
}

func (r *reader) validate(name, constraint string) {
	if !r.noTransaction && r.locked[name] {
		r.change(name, "validate", "the lock of the ALTER TABLE before it is held while the table is read: VALIDATE in a migration of its own")
	}
	if column := r.checks[name][constraint]; column != "" {
		put(r.validated, name, constraint, column)
	}
}

func (r *reader) addColumn(name string, s statement) {
	s = s.skip("if", "not", "exists")
	if len(s) < 2 {
		return
	}
	definition := s[1:]
	i := definition.index("default")
	switch {
	case definition.has("check"), definition.has("unique"), definition.has("primary", "key"):
		r.change(name, "add-constraint", "a constraint of a new column reads the whole table: add it NOT VALID, as one of the table")
	case definition.has("stored"), definition.has("identity"), strings.HasSuffix(strings.TrimPrefix(string(s[1]), "big"), "serial"):
		r.change(name, "rewrite", "gives every row a value, and so writes the whole table anew")
	case i >= 0 && definition.has("references"):
		r.change(name, "add-constraint", "a foreign key with a default reads the whole table: add it NOT VALID, as one of the table")
	case i < 0 && definition.has("not", "null"):
		r.change(name, "add-column", "rows that are there have no value for it: give it a constant default, or let it be null at first")
	case i >= 0 && volatile(definition[i+1:]):
		r.change(name, "volatile-default", "a default that differs from row to row writes the whole table anew: add the column without, and fill it in batches")
	}
}

// constant are functions whose value is the same for all rows of a statement.
var constant = []token{"now", "transaction_timestamp", "statement_timestamp", "jsonb_build_object", "jsonb_build_array", "make_interval"}

// volatile reports whether a default calls a function that may give each row another value.
func volatile(s statement) bool {
	for i, t := range s {
		if i > 0 && t == "(" && word(s[i-1]) && !slices.Contains(constant, s[i-1]) {
			return true
		}
		if t == "not" || t == "constraint" || t == "references" {
			break
		}
	}
	return false
}

// word reports whether the token is a name, and of no type that takes a length.
func word(t token) bool {
	c := t[0]
	return (c == '_' || (c >= 'a' && c <= 'z')) && !slices.Contains([]token{"numeric", "varchar", "char", "timestamptz", "timestamp", "array"}, t)
}

func (r *reader) alterColumn(name string, s statement) {
	if len(s) < 2 {
		return
	}
	column, s := string(s[0]), s[1:]
	switch {
	case s[0] == "type", s.index("set", "data", "type") == 0, s.index("set", "expression") == 0:
		r.change(name, "column-type", "writes the whole table anew: add another column, fill it, and drop this one in a later release")
	case s.index("set", "not", "null") == 0:
		for _, c := range r.validated[name] {
			if c == column {
				return
			}
		}
		r.change(name, "set-not-null", "reads the whole table under its lock, unless CHECK (column IS NOT NULL) was added NOT VALID and validated before")
	}
}

func put(m map[string]map[string]string, table, name, column string) {
	if m[table] == nil {
		m[table] = map[string]string{}
	}
	m[table][name] = column
}
