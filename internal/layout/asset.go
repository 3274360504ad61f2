package layout

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
)

//go:embed assets
var files embed.FS

// AssetPrefix begins the paths of the files of pages.
const AssetPrefix = "/assets/"

// asset is a file of pages.
type asset struct {
	body      []byte
	mediaType string
	version   string
}

var assets = func() map[string]asset {
	all := map[string]asset{}
	entries, err := files.ReadDir("assets")
	if err != nil {
		panic(err) // The directory is embedded.
	}
	for _, entry := range entries {
		body, err := files.ReadFile("assets/" + entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		all[entry.Name()] = asset{body, mime.TypeByExtension(path.Ext(entry.Name())), hex.EncodeToString(sum[:6])}
	}
	return all
}()

// Assets returns the names of the files of pages.
func Assets() []string { return slices.Sorted(maps.Keys(assets)) }

// AssetPath returns the path of a file of pages. Its query changes with the content, so that a
// browser may keep the file. It panics for a name that does not exist, which is a programming error
// that every test of the page detects.
func AssetPath(name string) string {
	a, ok := assets[name]
	if !ok {
		panic(fmt.Sprintf("layout: no asset %q", name))
	}
	return AssetPrefix + name + "?v=" + a.version
}

// ServeAsset serves the file with the name, and reports whether there is one.
func ServeAsset(w http.ResponseWriter, r *http.Request, name string) bool {
	a, ok := assets[name]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set("Content-Type", a.mediaType)
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == a.version {
		// A year, as RFC 9111 recommends at most. The path changes with the content.
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // An error means that the client is gone.
	}
	return true
}
