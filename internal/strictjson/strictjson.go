// Package strictjson validates untrusted JSON in one pass, before it is decoded. encoding/json
// keeps the last of two members with the same name, merges nested objects with the same name,
// matches names case-insensitively, and reads values nested 10,000 levels deep. Two readers of one
// text can thus get different results, and a short text can be expensive. Check returns an error
// for ambiguous text; Object returns the members of an object by their exact names.
package strictjson

import (
	"encoding/json"
	"fmt"
)

// MaxDepth is the maximum nesting of arrays and objects. The deepest body of the API has 6 levels.
const MaxDepth = 32

// MaxMembers is the maximum number of members of an object. The largest object of the API has about
// 20.
const MaxMembers = 1000

// Reason is the reason for refusing a text.
type Reason int

// Reasons.
const (
	// Syntax: the text is not one JSON value (RFC 8259). Error.Offset is the position of the
	// fault.
	Syntax Reason = iota + 1
	// NotUTF8: the text is not valid UTF-8.
	NotUTF8
	// TooDeep: values are nested deeper than the limit.
	TooDeep
	// TooMany: an object has more than MaxMembers members. Error.Path is the object's path.
	TooMany
	// Duplicate: an object has two members with the same name.
	Duplicate
	// NUL: a string or a name contains the NUL character, which PostgreSQL does not store.
	NUL
	// BigNumber: a number is beyond the range of a float64.
	BigNumber
)

// Error describes why a text was refused.
type Error struct {
	Reason Reason
	// Path is the path of the value, such as "results[1].code". It is empty for the whole text.
	// Its names come from the text.
	Path string
	// Offset is the number of bytes read, including the invalid one.
	Offset int
	// Depth is the exceeded limit of nesting.
	Depth int
}

// Error implements error. The text contains no value.
func (e *Error) Error() string {
	switch e.Reason {
	case Syntax:
		return fmt.Sprintf("not valid JSON at byte %d", e.Offset)
	case NotUTF8:
		return "not valid UTF-8"
	case TooDeep:
		return fmt.Sprintf("nested deeper than %d levels", e.Depth)
	case TooMany:
		return fmt.Sprintf("an object has more than %d members", MaxMembers)
	case Duplicate:
		return "a name is given twice in one object"
	case NUL:
		return "contains a NUL character"
	case BigNumber:
		return "a number is too large"
	default:
		return "refused"
	}
}

// Check returns nil if the text is one JSON value in UTF-8 that every reader understands in the
// same way and PostgreSQL can store. Otherwise it returns an *Error. It decodes nothing and, for
// objects of up to 24 members without escapes in their names, allocates nothing.
func Check(data []byte) error { return CheckDepth(data, MaxDepth) }

// CheckDepth is Check with another limit of nesting.
func CheckDepth(data []byte, depth int) error { return scan(data, depth, nil) }

// Member is a member of an object with a string value.
type Member struct{ Name, Value string }

// Strings is CheckDepth, and sets the value of each member to the string value of the object's
// member with that name: to "" if there is none or it is not a string. It does not find names with
// escapes.
func Strings(data []byte, depth int, members []Member) error {
	for i := range members {
		members[i].Value = ""
	}
	return scan(data, depth, members)
}

// Object returns the members of a JSON object by their exact names. It returns an *Error, also if
// the text is a value other than an object.
func Object(data []byte) (map[string]json.RawMessage, error) {
	if err := Check(data); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, &Error{Reason: Syntax, Offset: 1}
	}
	return members, nil
}
