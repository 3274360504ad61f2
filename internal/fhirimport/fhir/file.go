package fhir

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
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
	// Ignored is the reason why the file is not read, if it is not.
	Ignored string
	info    os.FileInfo
}

// handler is called with each resource; err is the reason why it could not be read.
type handler func(r Resource, err error) error

// FileError is the reason why a file cannot be read, or cannot be read any further. It contains no
// values.
type FileError struct{ File, Reason string }

func (e *FileError) Error() string { return e.File + ": " + e.Reason }

// Read calls fn with each resource of the file in turn, and fn may add it to the marks. It returns a
// *FileError if the file as a whole cannot be read further, and any error of fn or the context.
func (f File) Read(ctx context.Context, marks *Marks, progress func(n int), fn handler) error {
	content, closeFile, err := f.open(progress)
	if err != nil {
		return err
	}
	defer closeFile()
	each := func(r Resource, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.File, r.Ordinal = f.Name, marks.read
		marks.read++
		return fn(r, err)
	}
	if hasLines(f.Name) {
		return readLines(f.Name, content, 1, marks, each)
	}
	return readDocument(f.Name, content, marks, each)
}

// open returns the content of the file, decompressed, and a function that closes it. progress is
// called with the number of bytes that were read of the file.
func (f File) open(progress func(n int)) (content *bufio.Reader, closeFile func(), err error) {
	rc, err := f.Open()
	if err != nil {
		return nil, nil, f.fail("%w", err)
	}
	packed := &countingReader{Reader: rc, progress: progress}
	content = bufio.NewReaderSize(packed, bufferSize)
	if magic, _ := content.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		zipped, err := gzip.NewReader(content)
		if err != nil {
			_ = rc.Close()
			return nil, nil, f.fail("invalid gzip: %w", err)
		}
		content = bufio.NewReaderSize(&ratioReader{zipped, packed, 0}, bufferSize)
	}
	if err := checkFormat(content); err != nil {
		_ = rc.Close()
		return nil, nil, f.fail("%w", err)
	}
	return content, func() { _ = rc.Close() }, nil
}

// bufferSize is the number of bytes that are read at once.
const bufferSize = 1 << 16

func (f File) fail(format string, cause error) error {
	// The message of a path error begins with the path.
	if path, ok := errors.AsType[*os.PathError](cause); ok {
		cause = path.Err
	}
	return &FileError{f.Name, fmt.Errorf(format, cause).Error()}
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

// readLines reads a resource, or a bundle, on each line. first is the number of the first line.
func readLines(name string, content io.Reader, first int, marks *Marks, fn handler) error {
	lines := bufio.NewScanner(content)
	lines.Buffer(make([]byte, bufferSize), maxResource)
	var start, end int64
	lines.Split(func(data []byte, atEOF bool) (advance int, token []byte, err error) {
		advance, token, err = bufio.ScanLines(data, atEOF)
		end += int64(advance)
		return advance, token, err
	})
	n := first - 1
	for ; lines.Scan(); start = end {
		n++
		line := trimLine(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		marks.begin(start, n, true)
		if err := readValue(Resource{Index: n, Raw: bytes.Clone(line)}, fn); err != nil {
			return err
		}
		marks.end(end)
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return &FileError{name, fmt.Sprintf("line %d: resource is larger than %d MiB", n+1, maxResource>>20)}
	} else if err != nil {
		return &FileError{name, fmt.Sprintf("line %d: %s", n+1, err)}
	}
	return nil
}

// trimLine returns the line without white space, and without a byte order mark, which is left over
// from files that were joined.
func trimLine(line []byte) []byte { return bytes.TrimSpace(bytes.TrimPrefix(line, byteOrderMark)) }

// readValue reads a resource. A bundle inside a bundle or on a line is read as its entries, at the
// position of the bundle.
func readValue(r Resource, fn handler) error {
	r, err := parseHeader(r)
	if r.Type != "Bundle" || r.Raw == nil || r.nested {
		return fn(r, err)
	}
	return readBundle(r.Index, r.Raw, fn)
}

// readBundle reads the entries of a bundle at the index.
func readBundle(index int, raw []byte, fn handler) error {
	inner := func(entry Resource, err error) error {
		entry.Index, entry.nested = index, true
		return fn(entry, err)
	}
	err := readDocument("", bytes.NewReader(raw), nil, inner)
	if broken, ok := errors.AsType[*FileError](err); ok {
		return fn(Resource{Index: index}, NewError("", broken.Reason))
	}
	return err
}

func onDisk(path string, info os.FileInfo) File {
	return File{Name: path, Size: info.Size(), info: info, Open: func() (io.ReadCloser, error) { return os.Open(path) }} //nolint:gosec // The user chose the files.
}
