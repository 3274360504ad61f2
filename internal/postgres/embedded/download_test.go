package embedded_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/embedded"
	"carewire/internal/postgres/postgrestest"
)

// archiveServer is a Maven repository with an archive for any platform, whose programs run those of
// binDir.
func archiveServer(t *testing.T, binDir string) (url string, archives *atomic.Int32) {
	t.Helper()
	jar := archive(t, map[string]string{
		"bin/postgres": "#!/bin/sh\nexec '" + binDir + "/postgres' \"$@\"\n",
		"bin/initdb":   "#!/bin/sh\nexec '" + binDir + "/initdb' \"$@\"\n",
		"bin/pg_ctl":   "#!/bin/sh\nexec '" + binDir + "/pg_ctl' \"$@\"\n",
	})
	archives = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasPrefix(r.URL.Path, "/maven/io/zonky/test/postgres/embedded-postgres-binaries-"):
			http.NotFound(w, r)
		case strings.HasSuffix(r.URL.Path, ".sha256"):
			sum := sha256.Sum256(jar)
			_, _ = w.Write([]byte(hex.EncodeToString(sum[:])))
		default:
			archives.Add(1)
			_, _ = w.Write(jar)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/maven", archives
}

// archive returns a jar of the repository: a zip with an xz-compressed tar.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var tarred bytes.Buffer
	tw := tar.NewWriter(&tarred)
	require.NoError(t, tw.WriteHeader(&tar.Header{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o700}))
	for name, text := range files {
		require.NoError(t, tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o700, Size: int64(len(text))}))
		_, err := tw.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, tw.Close())
	var zipped bytes.Buffer
	zw := zip.NewWriter(&zipped)
	w, err := zw.Create("postgres-some-platform.txz")
	require.NoError(t, err)
	_, err = w.Write(xz(tarred.Bytes()))
	require.NoError(t, err)
	require.NoError(t, zw.Close())
	return zipped.Bytes()
}

// xz writes the container of "The .xz File Format" 1.1 around stored, uncompressed LZMA2 chunks.
func xz(data []byte) []byte {
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) }
	pad := func(b []byte) []byte { return append(b, make([]byte, (4-len(b)%4)%4)...) }
	flags := []byte{0x00, 0x01} // checked by CRC32
	out := append([]byte{0xFD, '7', 'z', 'X', 'Z', 0x00}, flags...)
	out = append(out, sum(flags)...)
	header := pad([]byte{0x02, 0x00, 0x21, 0x01, 0x16}) // 12 bytes with its CRC; one filter, LZMA2, a dictionary of 8 MiB
	block := append(header, sum(header)...)
	control := byte(0x01) // stored, and the dictionary is new
	for rest := data; len(rest) > 0; control = 0x02 {
		chunk := rest[:min(len(rest), 1<<16)]
		rest = rest[len(chunk):]
		block = append(block, control)
		block = binary.BigEndian.AppendUint16(block, uint16(len(chunk)-1))
		block = append(block, chunk...)
	}
	block = append(block, 0x00)
	unpadded := len(block) + 4
	block = append(pad(block), sum(data)...)
	index := binary.AppendUvarint([]byte{0x00, 0x01}, uint64(unpadded))
	index = pad(binary.AppendUvarint(index, uint64(len(data))))
	index = append(index, sum(index)...)
	footer := append(binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1)), flags...)
	out = append(append(out, block...), index...)
	return append(append(append(out, sum(footer)...), footer...), 'Y', 'Z')
}

func TestStart_DownloadsPostgreSQLOnceWhenTheMachineHasNone(t *testing.T) {
	t.Parallel()
	installed := start(t, embedded.Config{DataDir: postgrestest.DataDir(t)})
	url, archives := archiveServer(t, installed.BinDir())
	cache := filepath.Join(openDir(t), "cache")

	cfg := embedded.Config{DataDir: postgrestest.DataDir(t), BinaryRepositoryURL: url}.WithoutInstalled(cache)
	server := start(t, cfg)
	require.NoError(t, connect(t, server.URL()).Ping(t.Context()))
	require.Contains(t, server.BinDir(), cache)
	require.NoError(t, server.Stop(t.Context()))

	cfg.DataDir = postgrestest.DataDir(t)
	start(t, cfg)
	require.EqualValues(t, 1, archives.Load())
	left, err := filepath.Glob(filepath.Join(cache, "*"))
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing but the binaries stays")
}

func TestStart_ReturnsARemedyIfPostgreSQLCannotBeFoundOrDownloaded(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	cfg := embedded.Config{DataDir: postgrestest.DataDir(t), BinaryRepositoryURL: server.URL}.WithoutInstalled(filepath.Join(openDir(t), "cache"))
	_, err := embedded.Start(t.Context(), cfg)
	require.ErrorContains(t, err, "no PostgreSQL 15 or newer on this machine, and downloading it from "+server.URL)
	require.ErrorContains(t, err, "install PostgreSQL, or set DATABASE_URL")
}
