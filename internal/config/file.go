package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// maxSecret is the maximum size in bytes of a file with a secret.
const maxSecret = 64 << 10

// readFiles reads the settings that can be set by a file.
func (c *Config) readFiles() error {
	var errs []error
	for _, s := range []struct {
		name, file string
		value      *string
	}{
		{"DATABASE_URL", c.DatabaseURLFile, &c.DatabaseURL},
		{"CAREWIRE_APP_DATABASE_URL", c.AppDatabaseURLFile, &c.AppDatabaseURL},
		{"CAREWIRE_WORKER_DATABASE_URL", c.WorkerDatabaseURLFile, &c.WorkerDatabaseURL},
		{"CAREWIRE_OIDC_CLIENT_SECRET", c.OIDCClientSecretFile, &c.OIDCClientSecret},
		{"CAREWIRE_WHATSAPP_TOKEN", c.WhatsAppTokenFile, &c.WhatsAppToken},
		{"CAREWIRE_WHATSAPP_APP_SECRET", c.WhatsAppAppSecretFile, &c.WhatsAppAppSecret},
		{"CAREWIRE_WHATSAPP_VERIFY_TOKEN", c.WhatsAppVerifyTokenFile, &c.WhatsAppVerifyToken},
		{"CAREWIRE_TWILIO_AUTH_TOKEN", c.TwilioAuthTokenFile, &c.TwilioAuthToken},
	} {
		if s.file == "" {
			continue
		}
		if *s.value != "" {
			errs = append(errs, fmt.Errorf("%s_FILE: %s is set too; set only one of them", s.name, s.name))
			continue
		}
		value, err := readSecret(s.file)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s_FILE: %w", s.name, err))
			continue
		}
		*s.value = value
	}
	return errors.Join(errs...)
}

// readSecret returns the single line of a file.
func readSecret(name string) (string, error) {
	info, err := os.Stat(name)
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return "", fmt.Errorf("cannot read %q: %w", name, path.Err)
	}
	switch {
	case err != nil:
		return "", err
	case info.IsDir():
		return "", fmt.Errorf("%q is a directory; want a file", name)
	case info.Size() > maxSecret:
		return "", fmt.Errorf("%q is larger than %d bytes", name, maxSecret)
	}
	text, err := os.ReadFile(name) //nolint:gosec // The operator chooses the file.
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return "", fmt.Errorf("cannot read %q: %w", name, path.Err)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	switch {
	case secret == "":
		return "", fmt.Errorf("%q is empty", name)
	case strings.ContainsAny(secret, "\r\n\x00"):
		return "", fmt.Errorf("%q has more than one line", name)
	}
	return secret, err
}
