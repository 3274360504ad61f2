// Package strictjson checks JSON that comes from outside in one pass, before anything decodes it. encoding/json keeps the last
// of two members of one name, merges nested objects of one name, matches names without regard to case, and reads values nested
// 10,000 deep: two readers of one text can then see different things, and a short text can cost much. Check returns an error for
// what is doubtful; Object returns the members of an object by their exact names.
package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"strconv"
	"sync"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may be nested. The deepest body of the API has 6 levels.
const MaxDepth = 32

// MaxMembers is how many members an object may have. The largest of the API has about 20.
const MaxMembers = 1000

// Reason says why a text is refused.
type Reason int

// The reasons.
const (
	// Syntax: the text is not one JSON value (RFC 8259). Error.Offset is where it stops being one.
	Syntax Reason = iota + 1
	// NotUTF8: the text is not valid UTF-8.
	NotUTF8
	// TooDeep: values are nested deeper than the limit.
	TooDeep
	// TooMany: an object has more than MaxMembers members. Error.Path leads to the object.
	TooMany
	// Duplicate: an object has two members of one name.
	Duplicate
	// NUL: a string or a name holds the NUL character, which PostgreSQL does not store.
	NUL
	// BigNumber: a number is beyond the range of a float64.
	BigNumber
)

// Error is why a text is refused.
type Error struct {
	Reason Reason
	// Path leads to the value, such as "results[1].code". It is empty for the text as a whole. Its names come from the text.
	Path string
	// Offset is how many bytes were read, including the one at fault.
	Offset int
	// Depth is the limit that a text nested too deep exceeds.
	Depth int
}

// Error describes the fault without repeating a value.
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

// Check returns nil if the text is one JSON value in UTF-8 that every reader understands in the same way and PostgreSQL can
// store; else an *Error. It decodes nothing and, for objects of up to 24 members without escapes in their names, allocates
// nothing.
func Check(data []byte) error { return CheckDepth(data, MaxDepth) }

// CheckDepth is Check with another limit of nesting.
func CheckDepth(data []byte, depth int) error { return scan(data, depth, nil) }

// Strings is CheckDepth, and sets each text to the string that the object's member of that name holds: to "" where there is
// none, or it holds something else. Names with escapes in them are not found.
func Strings(data []byte, depth int, texts map[string]*string) error {
	for _, text := range texts {
		*text = ""
	}
	return scan(data, depth, texts)
}

func scan(data []byte, depth int, texts map[string]*string) error {
	if !utf8.Valid(data) {
		return &Error{Reason: NotUTF8}
	}
	s, _ := scanners.Get().(*scanner)
	defer s.release()
	s.data, s.pos, s.maxDepth, s.texts = data, 0, depth, texts
	s.space()
	ok := s.value()
	if ok {
		if s.space(); s.pos < len(data) {
			ok = s.fail(Syntax, s.pos+1)
		}
	}
	if ok {
		return nil
	}
	return s.err()
}

// Object returns the members of a JSON object by their exact names. The error is an *Error, also where the text is another
// value than an object.
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

// linear is up to how many members of an object each new name is compared with all others.
const linear = 24

// scanners are used again, so that a text costs no allocation.
var scanners = sync.Pool{New: func() any { return &scanner{} }}

// scanner reads the text once.
type scanner struct {
	data     []byte
	pos      int
	maxDepth int
	frames   []frame
	// keys are the names of all objects that are open, those of the innermost last.
	keys []key
	// texts are the members of the outermost object that Strings looks for.
	texts map[string]*string

	reason Reason
	offset int
}

// release forgets the text and keeps the stacks, unless they have grown large.
func (s *scanner) release() {
	const most = 1000
	s.data, s.texts = nil, nil
	if clear(s.frames[:cap(s.frames)]); cap(s.frames) > most {
		s.frames = nil
	}
	if cap(s.keys) > most {
		s.keys = nil
	}
	s.frames, s.keys = s.frames[:0], s.keys[:0]
	scanners.Put(s)
}

// frame is an array or object that is open.
type frame struct {
	isObject bool
	// index counts the elements of an array; nameStart and nameEnd are where an object's present name stands.
	index, nameStart, nameEnd int
	// firstKey is where its names begin in scanner.keys.
	firstKey int
	// many has the names' hashes once there are more than a few.
	many map[uint64]int
}

type key struct {
	hash       uint64
	start, end int
}

var seed = maphash.MakeSeed()

func (s *scanner) fail(reason Reason, offset int) bool {
	s.reason, s.offset = reason, min(offset, len(s.data))
	return false
}

func (s *scanner) err() *Error {
	e := &Error{Reason: s.reason, Offset: s.offset, Depth: s.maxDepth}
	if s.reason == Syntax || s.reason == TooDeep {
		return e
	}
	for i := range s.frames {
		f := &s.frames[i]
		switch {
		case !f.isObject:
			e.Path += "[" + strconv.Itoa(f.index) + "]"
		case f.nameEnd > 0:
			if e.Path != "" {
				e.Path += "."
			}
			e.Path += s.name(f.nameStart, f.nameEnd)
		}
	}
	return e
}

// name decodes a name or another string, given without its quotation marks.
func (s *scanner) name(start, end int) string {
	if bytes.IndexByte(s.data[start:end], '\\') < 0 {
		return string(s.data[start:end])
	}
	var text string
	if json.Unmarshal(s.data[start-1:end+1], &text) != nil {
		return string(s.data[start:end])
	}
	return text
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// next returns the byte at the position, or 0 at the end: 0 is no part of JSON's syntax.
func (s *scanner) next() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) value() bool {
	switch c := s.next(); {
	case c == '"':
		_, ok := s.str()
		return ok
	case c == '{':
		return s.object()
	case c == '[':
		return s.array()
	case c == '-' || ('0' <= c && c <= '9'):
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	default:
		return s.fail(Syntax, s.pos+1)
	}
}

func (s *scanner) word(word string) bool {
	for i := range len(word) {
		if s.next() != word[i] {
			return s.fail(Syntax, s.pos+1)
		}
		s.pos++
	}
	return true
}

func (s *scanner) open(isObject bool) bool {
	if len(s.frames) >= s.maxDepth {
		return s.fail(TooDeep, s.pos+1)
	}
	s.frames = append(s.frames, frame{isObject: isObject, firstKey: len(s.keys)})
	s.pos++
	s.space()
	return true
}

func (s *scanner) closed() bool {
	last := len(s.frames) - 1
	s.keys = s.keys[:s.frames[last].firstKey]
	s.frames = s.frames[:last]
	s.pos++
	return true
}

func (s *scanner) array() bool {
	if !s.open(false) {
		return false
	}
	if s.next() == ']' {
		return s.closed()
	}
	at := len(s.frames) - 1
	for {
		if !s.value() {
			return false
		}
		s.space()
		switch s.next() {
		case ',':
			s.frames[at].index++
			s.pos++
			s.space()
		case ']':
			return s.closed()
		default:
			return s.fail(Syntax, s.pos+1)
		}
	}
}

func (s *scanner) object() bool {
	if !s.open(true) {
		return false
	}
	if s.next() == '}' {
		return s.closed()
	}
	at := len(s.frames) - 1
	for {
		if !s.member(at) {
			return false
		}
		s.space()
		switch s.next() {
		case ',':
			s.pos++
			s.space()
		case '}':
			return s.closed()
		default:
			return s.fail(Syntax, s.pos+1)
		}
	}
}

// member reads a name and its value.
func (s *scanner) member(at int) bool {
	if s.next() != '"' {
		return s.fail(Syntax, s.pos+1)
	}
	start := s.pos + 1
	s.frames[at].nameEnd = 0
	escaped, ok := s.str()
	if ok || s.reason == NUL {
		s.frames[at].nameStart, s.frames[at].nameEnd = start, s.pos-1
	}
	if !ok {
		return false
	}
	if len(s.keys)-s.frames[at].firstKey >= MaxMembers {
		s.frames[at].nameEnd = 0
		return s.fail(TooMany, s.pos)
	}
	if !s.unique(&s.frames[at], start, s.pos-1, escaped) {
		return s.fail(Duplicate, s.pos)
	}
	s.space()
	if s.next() != ':' {
		return s.fail(Syntax, s.pos+1)
	}
	s.pos++
	s.space()
	if at > 0 || s.texts == nil || s.next() != '"' {
		return s.value()
	}
	text := s.texts[string(s.data[start:s.frames[at].nameEnd])]
	if start = s.pos + 1; !s.value() {
		return false
	}
	if text != nil {
		*text = s.name(start, s.pos-1)
	}
	return true
}

// unique notes a name of the object and reports whether it is the first of its kind. Names are compared as they read, not as
// they are written: "a" and "\u0061" are one.
func (s *scanner) unique(f *frame, start, end int, escaped bool) bool {
	hash := uint64(0)
	if escaped {
		hash = maphash.String(seed, s.name(start, end))
	} else {
		hash = maphash.Bytes(seed, s.data[start:end])
	}
	same := func(k key) bool { return k.hash == hash && s.name(k.start, k.end) == s.name(start, end) }
	if f.many != nil {
		if i, ok := f.many[hash]; ok && same(s.keys[i]) {
			return false
		}
		f.many[hash] = len(s.keys)
	} else {
		for _, k := range s.keys[f.firstKey:] {
			if k.hash == hash && same(k) {
				return false
			}
		}
	}
	s.keys = append(s.keys, key{hash, start, end})
	if f.many == nil && len(s.keys)-f.firstKey > linear {
		f.many = make(map[uint64]int, 2*linear)
		for i := f.firstKey; i < len(s.keys); i++ {
			f.many[s.keys[i].hash] = i
		}
	}
	return true
}

// str reads a string, and reports whether it has an escape.
func (s *scanner) str() (escaped, ok bool) {
	nul := false
	for i := s.pos + 1; i < len(s.data); i++ {
		switch c := s.data[i]; {
		case c == '"':
			if s.pos = i + 1; nul {
				return escaped, s.fail(NUL, s.pos)
			}
			return escaped, true
		case c < ' ':
			return escaped, s.fail(Syntax, i+1)
		case c == '\\':
			escaped = true
			n, zero := s.escape(i)
			if n == 0 {
				return escaped, false
			}
			i, nul = i+n, nul || zero
		}
	}
	return escaped, s.fail(Syntax, len(s.data))
}

// escape returns how many bytes follow the backslash, or 0 after a failure, and whether the escape is that of NUL.
func (s *scanner) escape(at int) (n int, zero bool) {
	if at+1 >= len(s.data) {
		s.fail(Syntax, len(s.data))
		return 0, false
	}
	switch s.data[at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1, false
	case 'u':
		zero = true
		for i := at + 2; i < at+6; i++ {
			if i >= len(s.data) || !isHex(s.data[i]) {
				s.fail(Syntax, i+1)
				return 0, false
			}
			zero = zero && s.data[i] == '0'
		}
		return 5, zero
	default:
		s.fail(Syntax, at+2)
		return 0, false
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// digits passes over digits and reports whether there was one.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && '0' <= s.data[s.pos] && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start || s.fail(Syntax, s.pos+1)
}

func (s *scanner) number() bool {
	start, exponent := s.pos, false
	if s.next() == '-' {
		s.pos++
	}
	if s.next() == '0' {
		s.pos++
	} else if !s.digits() {
		return false
	}
	if s.next() == '.' {
		s.pos++
		if !s.digits() {
			return false
		}
	}
	if c := s.next(); c == 'e' || c == 'E' {
		exponent = true
		s.pos++
		if c := s.next(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return false
		}
	}
	// A float64 holds every number of less than 300 digits that has no exponent.
	if exponent || s.pos-start >= 300 {
		if _, err := strconv.ParseFloat(string(s.data[start:s.pos]), 64); err != nil {
			return s.fail(BigNumber, s.pos)
		}
	}
	return true
}
