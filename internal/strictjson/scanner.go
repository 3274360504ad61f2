package strictjson

import (
	"strconv"
	"sync"
	"unicode/utf8"
)

func scan(data []byte, depth int, members []Member) error {
	if !utf8.Valid(data) {
		return &Error{Reason: NotUTF8}
	}
	s, _ := scanners.Get().(*scanner)
	defer s.release()
	s.data, s.pos, s.maxDepth = data, 0, depth
	// The scanner has its own copy, so that the caller's members stay on the stack.
	s.members = append(s.members[:0], members...)
	s.space()
	ok := s.value()
	copy(members, s.members)
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

// scanners are reused, so that a text costs no allocation.
var scanners = sync.Pool{New: func() any { return &scanner{} }}

// scanner reads the text once.
type scanner struct {
	data     []byte
	pos      int
	maxDepth int
	frames   []frame
	// keys are the names of all open objects, those of the innermost last.
	keys []key
	// members are those of the outermost object that Strings looks for.
	members []Member

	reason Reason
	offset int
}

// release forgets the text and keeps the stacks, unless they have grown large.
func (s *scanner) release() {
	const most = 1000
	s.data = nil
	clear(s.members)
	if clear(s.frames[:cap(s.frames)]); cap(s.frames) > most {
		s.frames = nil
	}
	if cap(s.keys) > most {
		s.keys = nil
	}
	s.frames, s.keys = s.frames[:0], s.keys[:0]
	scanners.Put(s)
}

// frame is an open array or object.
type frame struct {
	isObject bool
	// index is the number of the current element of an array; nameStart and nameEnd are the
	// position of an object's current name.
	index, nameStart, nameEnd int
	// firstKey is the index of its first name in scanner.keys.
	firstKey int
	// many maps the hashes of the names to their keys if there are more than linear.
	many map[uint64]int
}

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

// next returns the byte at the position, or 0 at the end: 0 is not part of JSON's syntax.
func (s *scanner) next() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}
