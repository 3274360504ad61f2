package strictjson

import "strconv"

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
	if at > 0 || s.next() != '"' {
		return s.value()
	}
	member := s.lookUp(s.data[start:s.frames[at].nameEnd])
	if start = s.pos + 1; !s.value() {
		return false
	}
	if member != nil {
		member.Value = s.name(start, s.pos-1)
	}
	return true
}

// lookUp returns the member with the name that Strings looks for, or nil.
func (s *scanner) lookUp(name []byte) *Member {
	for i := range s.members {
		if s.members[i].Name == string(name) {
			return &s.members[i]
		}
	}
	return nil
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

// escape returns the number of bytes after the backslash, or 0 after a failure, and reports whether
// the escape is that of NUL.
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

// digits skips digits and reports whether there was one.
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
	// A float64 represents every number with fewer than 300 digits and no exponent.
	if exponent || s.pos-start >= 300 {
		if _, err := strconv.ParseFloat(string(s.data[start:s.pos]), 64); err != nil {
			return s.fail(BigNumber, s.pos)
		}
	}
	return true
}
