package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// boundedReader returns errTooLarge if a single value is larger than a resource may be. It counts
// the lines that it has read, and keeps the error that ended it.
type boundedReader struct {
	io.Reader
	left, lines int
	err         error
}

var errTooLarge = fmt.Errorf("a resource, or the fields of a bundle without its entries, is larger than %d MiB", maxResource>>20)

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.err = errTooLarge
		return 0, b.err
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	b.lines += bytes.Count(p[:n], newline)
	b.err = err
	return n, err
}

var newline = []byte{'\n'}

// readDocument reads a JSON object: a bundle's entries one by one, anything else as one resource.
// If the first line is an object and more lines follow, it reads the file as NDJSON.
func readDocument(name string, content io.Reader, marks *Marks, fn handler) error {
	limit := &boundedReader{Reader: content, left: maxResource}
	d := &documentReader{name: name, limit: limit, dec: json.NewDecoder(limit), marks: marks, fn: fn, fields: map[string]json.RawMessage{}}
	if t, err := d.dec.Token(); err != nil || t != json.Delim('{') {
		return d.broken(err)
	}
	for d.dec.More() {
		if err := d.readField(); err != nil {
			return err
		}
	}
	if _, err := d.dec.Token(); err != nil {
		return d.broken(err)
	}
	rest, line, err := d.moreLines()
	if err != nil {
		return err
	}
	if rest == nil {
		return d.finish(0)
	}
	if err := d.finish(1); err != nil {
		return err
	}
	return readLines(name, rest, line, nil, fn)
}

// linesRead returns the number of line breaks before the current position.
func (d *documentReader) linesRead() (lines int, buffered []byte) {
	buffered, _ = io.ReadAll(d.dec.Buffered()) // The buffer is in memory.
	return d.limit.lines - bytes.Count(buffered, newline), buffered
}

// moreLines returns the content after the document and the number of its first line, or nil if
// there is none. More content on the same line, or after a document of several lines, is an error.
func (d *documentReader) moreLines() (rest io.Reader, line int, err error) {
	d.limit.left = maxResource
	inDocument, _ := d.linesRead()
	if !d.dec.More() {
		if err := d.limit.err; err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, d.broken(err)
		}
		return nil, 0, nil
	}
	before, buffered := d.linesRead()
	if inDocument > 0 || before == 0 {
		return nil, 0, &FileError{d.name, "contains more than one JSON document; write one resource on each line (NDJSON), or make them the entries of a Bundle"}
	}
	return io.MultiReader(bytes.NewReader(buffered), d.limit.Reader), before + 1, nil
}

// finish handles a document that is not a bundle with entries.
func (d *documentReader) finish(index int) error {
	_, isResource := d.fields["resourceType"]
	_, hasOutput := d.fields["output"]
	_, hasTime := d.fields["transactionTime"]
	switch {
	case d.entries || string(d.fields["resourceType"]) == `"Bundle"`:
		return nil
	case !isResource && hasOutput && hasTime:
		return d.fn(Resource{Index: index}, &SkippedError{isManifest})
	}
	raw, err := json.Marshal(d.fields)
	if err != nil {
		return d.broken(err)
	}
	return d.fn(parseHeader(Resource{Index: index, Raw: raw}))
}

type documentReader struct {
	name  string
	limit *boundedReader
	dec   *json.Decoder
	// marks are nil for a document inside another one.
	marks *Marks
	fn    handler
	// fields are the top-level fields without a bundle's entries, size is their size in bytes.
	fields map[string]json.RawMessage
	size   int
	// entries reports whether the document has entries.
	entries bool
}

// broken returns an error with the position, and without the decoder's own error, which may quote
// values.
func (d *documentReader) broken(err error) error {
	reason := "invalid JSON"
	switch read := d.limit.err; {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		reason = "incomplete JSON: the file ends"
	case read != nil && !errors.Is(read, io.EOF):
		return &FileError{d.name, fmt.Sprintf("at byte %d: %s", d.dec.InputOffset(), read)}
	}
	return &FileError{d.name, fmt.Sprintf("%s at byte %d", reason, d.dec.InputOffset())}
}

func (d *documentReader) readField() error {
	d.limit.left = maxResource - d.size
	key, err := d.dec.Token()
	if err != nil {
		return d.broken(err)
	}
	field, _ := key.(string)
	if typ, known := d.fields["resourceType"]; field == "entry" && (!known || string(typ) == `"Bundle"`) {
		d.entries = true
		return d.readEntries()
	}
	var value json.RawMessage
	if err := d.dec.Decode(&value); err != nil {
		return d.broken(err)
	}
	if _, twice := d.fields[field]; twice {
		return &FileError{d.name, fmt.Sprintf("duplicate field before byte %d", d.dec.InputOffset())}
	}
	if d.size += len(field) + len(value); d.size > maxResource {
		return &FileError{d.name, fmt.Sprintf("at byte %d: %s", d.dec.InputOffset(), errTooLarge)}
	}
	d.fields[field] = value
	return nil
}

// bundleEntry is an entry of a bundle.
type bundleEntry struct {
	FullURL  string          `json:"fullUrl"`
	Resource json.RawMessage `json:"resource"`
	Request  *struct {
		Method string `json:"method"`
		URL    string `json:"url"`
	} `json:"request"`
	Response *struct {
		ETag         string `json:"etag"`
		LastModified string `json:"lastModified"`
	} `json:"response"`
}

func (d *documentReader) readEntries() error {
	if t, err := d.dec.Token(); err != nil || t != json.Delim('[') {
		return d.broken(err)
	}
	for i := 0; d.dec.More(); i++ {
		d.marks.begin(d.dec.InputOffset(), i, false)
		if err := d.nextEntry(i); err != nil {
			return err
		}
		d.marks.end(d.dec.InputOffset())
	}
	if _, err := d.dec.Token(); err != nil {
		return d.broken(err)
	}
	return nil
}

func (d *documentReader) nextEntry(i int) error {
	d.limit.left = maxResource - d.size
	var entry bundleEntry
	if err := d.dec.Decode(&entry); err != nil {
		if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok {
			return d.brokenEntry(i, err)
		}
		return d.fn(Resource{Index: i}, NewError("Bundle.entry", "must be an entry of a bundle"))
	}
	r := Resource{Index: i}
	r.newestFirst = entry.Request != nil && string(d.fields["type"]) == `"history"`
	if entry.Resource != nil && (r.newestFirst || entry.Response != nil) {
		r.Version = resourceVersion(&entry) // A transaction has no versions.
	}
	return readEntry(r, &entry, d.fn)
}

func (d *documentReader) brokenEntry(i int, err error) error {
	broken := d.broken(err)
	if file, ok := errors.AsType[*FileError](broken); ok {
		return &FileError{file.File, fmt.Sprintf("entry %d: %s", i, file.Reason)}
	}
	return broken
}

// readEntry reads the resource of an entry, or the deletion that it is.
func readEntry(r Resource, e *bundleEntry, fn handler) error {
	r.FullURL, r.Raw = e.FullURL, e.Resource
	switch {
	case e.Request != nil && e.Request.Method == "DELETE":
		return fn(deletion(r, e))
	case len(e.Resource) == 0:
		return fn(r, NewError("Bundle.entry.resource", "is missing"))
	}
	return readValue(r, fn)
}
