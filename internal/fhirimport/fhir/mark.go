package fhir

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"slices"
)

// Marks records where the marked resources of a file are, so that ReadMarked reads them without
// parsing the others. A mark has up to 8 tags, one for each bit. The zero value has no marks.
//
// Marks are of whole entries and lines: the resources of a bundle that is inside of one are marked
// together.
type Marks struct {
	marks []mark
	// whole are the tags of resources that are not in an entry or a line, such as that of a file with
	// one resource.
	whole uint8
	// read is the number of resources that were read. open is the current entry or line, if isOpen.
	read   uint32
	open   mark
	isOpen bool
}

// mark is the place of an entry of a bundle or of a line: 24 bytes for each resource.
type mark struct {
	start  int64
	length uint32
	// index is Resource.Index, first the ordinal of the first resource.
	index, first uint32
	tags         uint8
	isLine       bool
}

// Add adds the tag to the marks of the resource that is being read.
func (m *Marks) Add(tag uint8) {
	if m.isOpen {
		m.open.tags |= 1 << tag
	} else {
		m.whole |= 1 << tag
	}
}

// begin begins an entry or a line at the offset. It does nothing for nil, which is inside another
// one.
func (m *Marks) begin(start int64, index int, isLine bool) {
	if m != nil && index <= math.MaxUint32 {
		m.open, m.isOpen = mark{start: start, index: uint32(index), first: m.read, isLine: isLine}, true
	}
}

// end ends the entry or the line.
func (m *Marks) end(end int64) {
	if m == nil {
		return
	}
	if m.isOpen && m.open.tags != 0 {
		m.open.length = uint32(end - m.open.start)
		m.marks = append(m.marks, m.open)
	}
	m.isOpen = false
}

// ReadMarked calls fn with the resources that have the tag, and with others that are beside them.
// Their versions are not read. It returns a *FileError if the file has changed since Read made the
// marks.
func (f File) ReadMarked(ctx context.Context, m *Marks, tag uint8, progress func(n int), fn handler) error {
	tag = 1 << tag
	if m.whole&tag != 0 {
		return f.Read(ctx, &Marks{}, progress, fn)
	}
	unread := int(f.Size)
	defer func() { progress(unread) }()
	if !slices.ContainsFunc(m.marks, func(k mark) bool { return k.tags&tag != 0 }) {
		return nil
	}
	content, closeFile, err := f.open(func(n int) {
		unread -= n
		progress(n)
	})
	if err != nil {
		return err
	}
	defer closeFile()
	reader := markReader{file: f, content: content}
	for i := range m.marks {
		if m.marks[i].tags&tag == 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := reader.read(&m.marks[i], fn); err != nil {
			return err
		}
	}
	return nil
}

// markReader reads marks in the order of their places.
type markReader struct {
	file    File
	content *bufio.Reader
	offset  int64
	buffer  []byte
}

func (r *markReader) read(k *mark, fn handler) error {
	changed := &FileError{r.file.Name, "has changed since this import read it first; import it again"}
	if _, err := r.content.Discard(int(k.start - r.offset)); err != nil {
		return changed
	}
	r.buffer = slices.Grow(r.buffer[:0], int(k.length))[:k.length]
	if _, err := io.ReadFull(r.content, r.buffer); err != nil {
		return changed
	}
	r.offset = k.start + int64(k.length)
	ordinal := k.first
	each := func(res Resource, err error) error {
		res.File, res.Ordinal = r.file.Name, ordinal
		ordinal++
		return fn(res, err)
	}
	if k.isLine {
		return readValue(Resource{Index: int(k.index), Raw: trimLine(r.buffer)}, each)
	}
	var entry bundleEntry
	if json.Unmarshal(bytes.TrimLeft(r.buffer, " \t\r\n,"), &entry) != nil {
		return changed
	}
	return readEntry(Resource{Index: int(k.index)}, &entry, each)
}
