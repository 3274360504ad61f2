package care

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// maxImageURL is the maximum length of the URL of an image, in bytes.
const maxImageURL = 500

// CheckImageURL returns an error, for the person who typed the URL, unless it is an https URL on one
// of the hosts. A query, a fragment and credentials are refused too: they could make the URL personal
// or expire.
func CheckImageURL(text string, hosts []string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxImageURL:
		return fmt.Errorf("must have at most %d characters", maxImageURL)
	case err != nil || u.Scheme != "https" || u.Host == "" || u.Opaque != "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("must be an https URL, such as https://img.example.org/logo.png")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("must not have a user name, a query or a fragment: such a URL can be personal or expire")
	case len(hosts) == 0:
		return errors.New("must be empty: this installation allows no image hosts; see CAREWIRE_IMAGE_HOSTS")
	case !slices.Contains(hosts, u.Host):
		return fmt.Errorf("must be on one of the hosts %s", strings.Join(hosts, ", "))
	}
	return nil
}
