package yamlnode

import (
	"github.com/goccy/go-yaml/token"
)

// Bounds of a source, checked before parsing: the parser's time and memory grow with the square of
// the nesting (20,000 brackets take 4.3 s and 600 MB) and of the number of keys. A rule set
// has at most 5 levels, a template set 8; a set of 256 KB has some 35,000 tokens.
const (
	maxNesting = 20
	maxTokens  = 40_000
)

// bounded reports whether the source may be parsed. It computes the nesting, by brackets and by
// indentation, from the tokens. Anchors, aliases and tags are rejected: parsing would resolve them,
// and no set needs any.
func (r *Reader) bounded(tokens token.Tokens) bool {
	flow, documents := 0, 0
	var columns []int // The columns of the open block collections, outermost first.
	for i, t := range tokens {
		at := t.Position.Line
		if i >= maxTokens {
			r.Fail(at, "", "more than %d tokens before this line; split the set", maxTokens)
			return false
		}
		column := 0
		switch t.Type { //nolint:exhaustive // Other tokens open nothing.
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(flow-1, 0)
		case token.SequenceEntryType, token.MappingKeyType:
			column = t.Position.Column
		case token.MappingValueType:
			if i > 0 && tokens[i-1].Position.Line == at {
				column = tokens[i-1].Position.Column
			}
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType:
			r.Fail(at, "", "%s is not supported; quote a text that begins with &, * or !", meaning(t.Type))
			return false
		case token.DocumentHeaderType:
			if documents++; documents > 2 { // The parser reports the second one.
				r.Fail(at, "", "third document; put everything into the first")
				return false
			}
			columns = columns[:0]
		}
		if column > 0 && flow == 0 {
			for len(columns) > 0 && columns[len(columns)-1] > column {
				columns = columns[:len(columns)-1]
			}
			if len(columns) == 0 || columns[len(columns)-1] < column {
				columns = append(columns, column)
			}
		}
		if flow+len(columns) > maxNesting {
			r.Fail(at, "", "nested deeper than %d levels", maxNesting)
			return false
		}
	}
	return true
}

func meaning(typ token.Type) string {
	if typ == token.TagType {
		return "a tag"
	}
	return "an anchor or alias"
}
