package fhir

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	// maxResource bounds one resource, and the fields of a bundle other than its entries, in bytes:
	// a file with one endless value must not fill the memory.
	maxResource = 32 << 20
	// maxNesting bounds how deep a resource is nested. FHIR's own examples have 12 levels; a
	// Questionnaire may need more.
	maxNesting = 64
	// maxRatio bounds the size of a file's decompressed content in relation to its compressed size,
	// beyond freeRatio bytes. FHIR's JSON compresses to a tenth, at best to a fiftieth; a
	// decompression bomb to a thousandth.
	maxRatio  = 200
	freeRatio = 64 << 20
)

// File is a file that can be opened again for each stage.
type File struct {
	// Name identifies the file in lists and errors.
	Name string
	// Open returns the content from the start, compressed or not.
	Open func() (io.ReadCloser, error)
	// Size is the stored size in bytes.
	Size int64
}

// handler is called with each resource; err is the reason why it could not be read.
type handler func(r Resource, err error) error

// Read calls fn with each resource of the file in turn. It returns an error if the file as a whole
// cannot be read further.
func (f File) Read(ctx context.Context, progress func(n int), fn handler) error {
	rc, err := f.Open()
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	defer func() { _ = rc.Close() }()
	packed := &countingReader{Reader: rc, progress: progress}
	buffered := bufio.NewReaderSize(packed, 1<<16)
	var content io.Reader = buffered
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		zipped, err := gzip.NewReader(buffered)
		if err != nil {
			return fmt.Errorf("%s: invalid gzip: %w", f.Name, err)
		}
		content = &ratioReader{zipped, packed, 0}
	}
	each := func(r Resource, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.File = f.Name
		return fn(r, err)
	}
	if strings.HasSuffix(strings.TrimSuffix(f.Name, ".gz"), ".ndjson") {
		return readLines(f.Name, content, each)
	}
	return readDocument(f.Name, content, each)
}

// countingReader counts the bytes that were read and reports them to progress.
type countingReader struct {
	io.Reader
	progress func(n int)
	read     int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	c.progress(n)
	return n, err
}

// ratioReader returns errRatio if the decompressed content exceeds maxRatio.
type ratioReader struct {
	io.Reader
	packed *countingReader
	read   int64
}

var errRatio = fmt.Errorf("decompresses to more than %d times its size; decompress it first if that is correct", maxRatio)

func (u *ratioReader) Read(p []byte) (int, error) {
	if u.read > freeRatio && u.read > maxRatio*u.packed.read {
		return 0, errRatio
	}
	n, err := u.Reader.Read(p)
	u.read += int64(n)
	return n, err
}

func readLines(name string, content io.Reader, fn handler) error {
	lines := bufio.NewScanner(content)
	lines.Buffer(make([]byte, 1<<16), maxResource)
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if err := fn(parseHeader(Resource{Index: n, Raw: bytes.Clone(line)})); err != nil {
			return err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("%s: line %d: resource is larger than %d MiB", name, n+1, maxResource>>20)
	} else if err != nil {
		return fmt.Errorf("%s: line %d: %w", name, n+1, err)
	}
	return nil
}

// boundedReader returns errTooLarge if a single value is larger than a resource may be.
type boundedReader struct {
	io.Reader
	left int
}

var errTooLarge = fmt.Errorf("a resource, or the fields of a bundle without its entries, is larger than %d MiB", maxResource>>20)

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.Reader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// readDocument reads a JSON object: a bundle's entries one by one, anything else as one resource.
func readDocument(name string, content io.Reader, fn handler) error {
	limit := &boundedReader{content, maxResource}
	d := &documentReader{name: name, limit: limit, dec: json.NewDecoder(limit), fn: fn, fields: map[string]json.RawMessage{}}
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
	if d.dec.More() {
		return fmt.Errorf("%s: more than one JSON document; NDJSON files must have the extension .ndjson", name)
	}
	if d.entries || string(d.fields["resourceType"]) == `"Bundle"` {
		return nil
	}
	raw, err := json.Marshal(d.fields)
	if err != nil {
		return d.broken(err)
	}
	return fn(parseHeader(Resource{Raw: raw}))
}

type documentReader struct {
	name  string
	limit *boundedReader
	dec   *json.Decoder
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
	if errors.Is(err, errTooLarge) || errors.Is(err, errRatio) {
		return fmt.Errorf("%s: at byte %d: %w", d.name, d.dec.InputOffset(), err)
	}
	return fmt.Errorf("%s: invalid JSON at byte %d", d.name, d.dec.InputOffset())
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
		return fmt.Errorf("%s: duplicate field before byte %d", d.name, d.dec.InputOffset())
	}
	if d.size += len(field) + len(value); d.size > maxResource {
		return d.broken(errTooLarge)
	}
	d.fields[field] = value
	return nil
}

func (d *documentReader) readEntries() error {
	if t, err := d.dec.Token(); err != nil || t != json.Delim('[') {
		return d.broken(err)
	}
	for i := 0; d.dec.More(); i++ {
		d.limit.left = maxResource - d.size
		var entry struct {
			FullURL  string          `json:"fullUrl"`
			Resource json.RawMessage `json:"resource"`
		}
		if err := d.dec.Decode(&entry); err != nil {
			if _, ok := errors.AsType[*json.UnmarshalTypeError](err); !ok {
				return d.broken(fmt.Errorf("entry %d: %w", i, err))
			}
			if err := d.fn(Resource{Index: i}, NewError("Bundle.entry", "must be an entry of a bundle")); err != nil {
				return err
			}
			continue
		}
		if len(entry.Resource) == 0 {
			if err := d.fn(Resource{Index: i}, NewError("Bundle.entry.resource", "is missing")); err != nil {
				return err
			}
			continue
		}
		if err := d.fn(parseHeader(Resource{Index: i, FullURL: entry.FullURL, Raw: entry.Resource})); err != nil {
			return err
		}
	}
	if _, err := d.dec.Token(); err != nil {
		return d.broken(err)
	}
	return nil
}

// OnDisk returns the file at the path.
func OnDisk(path string) (File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return File{}, err
	}
	if info.IsDir() {
		return File{}, fmt.Errorf("%s is a directory; list its files instead", path)
	}
	return File{Name: path, Size: info.Size(), Open: func() (io.ReadCloser, error) { return os.Open(path) }}, nil //nolint:gosec // The user chose the files.
}
