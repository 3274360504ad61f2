package fhir

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var byteOrderMark = []byte{0xef, 0xbb, 0xbf}

// checkFormat skips a byte order mark of UTF-8. It returns an error with the remedy for a file that
// is not JSON or NDJSON in UTF-8.
func checkFormat(content *bufio.Reader) error {
	start, err := content.Peek(sniffed)
	if len(start) == 0 && err != nil {
		if !errors.Is(err, io.EOF) {
			return err
		}
		return errEmpty
	}
	switch {
	case bytes.HasPrefix(start, byteOrderMark):
		_, _ = content.Discard(len(byteOrderMark))
		start = start[len(byteOrderMark):]
	case hasPrefix(start, "\xfe\xff", "\xff\xfe", "\x00{", "{\x00", "\x00[", "[\x00", "\x00<", "<\x00"):
		return errors.New("is in UTF-16; convert it to UTF-8, as with iconv -f UTF-16 -t UTF-8")
	case hasPrefix(start, "PK\x03\x04"):
		return errors.New("is a ZIP archive; extract its files first")
	}
	text := bytes.TrimLeft(start, " \t\r\n")
	switch {
	case len(text) == 0 && len(start) < sniffed-len(byteOrderMark):
		return errEmpty
	case hasPrefix(text, "<"):
		return errors.New("is XML; export it as JSON or NDJSON instead")
	case hasPrefix(text, "["):
		return errors.New("is a JSON array; write one resource on each line (NDJSON), as with jq -c '.[]', or make them the entries of a Bundle")
	}
	return nil
}

// sniffed is the number of bytes from which the format is detected.
const sniffed = 1024

var errEmpty = errors.New("is empty")

func hasPrefix(text []byte, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return bytes.HasPrefix(text, []byte(p)) })
}

// baseName returns the name of a file in lower case, without its directory and .gz.
func baseName(path string) string {
	return strings.TrimSuffix(strings.ToLower(filepath.Base(path)), ".gz")
}

// hasLines reports whether the name is that of an NDJSON file.
func hasLines(path string) bool {
	name := baseName(path)
	return strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(name, ".jsonl")
}

const (
	isManifest = "is the manifest of a bulk export"
	isLog      = "is the log of a bulk export"
	isOther    = "is not a .json, .ndjson or .jsonl file"
)

// ignored returns the reason why a file of an export is not read, or "". Bulk export clients write
// a log and a manifest next to the resources.
func ignored(path string) string {
	switch baseName(path) {
	case "log.ndjson", "log.jsonl":
		return isLog
	case "manifest.json":
		return isManifest
	}
	return ""
}

// Find returns the files at the path: the file, or the files of a directory and its directories in
// the order of their names. Hidden files are left out, and other files that are not read are
// marked as ignored. It returns an error for a directory without files to read.
func Find(path string) ([]File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		f := onDisk(path, info)
		f.Ignored = ignored(path)
		return []File{f}, nil
	}
	var files []File
	readable := false
	err = filepath.WalkDir(path, func(name string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != path && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		// Stat follows a symbolic link.
		info, err := os.Stat(name)
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		f := onDisk(name, info)
		if f.Ignored = ignored(name); f.Ignored == "" && !hasLines(name) && !strings.HasSuffix(baseName(name), ".json") {
			f.Ignored = isOther
		}
		readable = readable || f.Ignored == ""
		files = append(files, f)
		return nil
	})
	if err == nil && !readable {
		err = errors.New(path + ": contains no .json, .ndjson or .jsonl file")
	}
	return files, err
}

// Unique returns the files without those that are in the list before, under any name.
func Unique(files []File) []File {
	var all []File
	for _, f := range files {
		same := func(g File) bool { return f.info != nil && g.info != nil && os.SameFile(f.info, g.info) }
		if !slices.ContainsFunc(all, same) {
			all = append(all, f)
		}
	}
	return all
}
