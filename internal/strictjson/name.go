package strictjson

import (
	"bytes"
	"encoding/json"
	"hash/maphash"
)

// linear is the number of members up to which each new name is compared with all others.
const linear = 24

type key struct {
	hash       uint64
	start, end int
}

var seed = maphash.MakeSeed()

// name decodes a name or another string, without its quotation marks.
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

// unique records a name of the object and reports whether it is new. Names are compared decoded:
// "a" and "\u0061" are equal.
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
