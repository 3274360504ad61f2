package migrations_test

import (
	"regexp"
	"slices"
	"strings"
)

// token is a word in lower case, a punctuation mark, or a quoted text, which begins with its quotation mark.
type token string

// quoted reports whether the token is a text, and returns what it holds.
func (t token) quoted() (string, bool) {
	s, found := strings.CutPrefix(string(t), "'")
	return s, found
}

var lexeme = regexp.MustCompile(`(?s)--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\w*\$|[\w.]+|\S`)

// tokens splits SQL. Comments are left out; names in double quotes become words, and dollar-quoted bodies texts.
func tokens(sql string) []token {
	var all []token
	for sql != "" {
		at := lexeme.FindStringIndex(sql)
		if at == nil {
			break
		}
		word := sql[at[0]:at[1]]
		sql = sql[at[1]:]
		switch {
		case strings.HasPrefix(word, "--"), strings.HasPrefix(word, "/*"):
		case strings.HasPrefix(word, "$") && strings.HasSuffix(word, "$") && len(word) > 1:
			body, rest, _ := strings.Cut(sql, word)
			all, sql = append(all, token("'"+body)), rest
		case word[0] == '\'':
			all = append(all, token("'"+strings.ReplaceAll(word[1:len(word)-1], "''", "'")))
		case word[0] == '"':
			all = append(all, token(strings.Trim(word, `"`)))
		default:
			all = append(all, token(strings.ToLower(word)))
		}
	}
	return all
}

// statement is the tokens of one.
type statement []token

// statements splits SQL at its semicolons.
func statements(sql string) []statement {
	var all []statement
	var one statement
	for _, t := range tokens(sql) {
		if t != ";" {
			one = append(one, t)
			continue
		}
		if len(one) > 0 {
			all, one = append(all, one), nil
		}
	}
	if len(one) > 0 {
		all = append(all, one)
	}
	return all
}

// index returns where the words stand in a row, or -1.
func (s statement) index(words ...token) int {
	for i := range s {
		if i+len(words) <= len(s) && slices.Equal(s[i:i+len(words)], words) {
			return i
		}
	}
	return -1
}

func (s statement) has(words ...token) bool { return s.index(words...) >= 0 }

// begins reports whether the statement begins with the words, and returns what follows.
func (s statement) begins(words ...token) (statement, bool) {
	if len(s) < len(words) || !slices.Equal(s[:len(words)], words) {
		return nil, false
	}
	return s[len(words):], true
}

// skip leaves out words at the beginning, each if it is there.
func (s statement) skip(words ...token) statement {
	for _, w := range words {
		if rest, ok := s.begins(w); ok {
			s = rest
		}
	}
	return s
}

// list splits at the commas that stand in no parentheses.
func (s statement) list() []statement {
	var all []statement
	depth, from := 0, 0
	for i, t := range s {
		switch {
		case t == "(":
			depth++
		case t == ")":
			depth--
		case t == "," && depth == 0:
			all, from = append(all, s[from:i]), i+1
		}
	}
	return append(all, s[from:])
}

// table is the name without the schema that is everybody's.
func table(t token) string { return strings.TrimPrefix(string(t), "public.") }
