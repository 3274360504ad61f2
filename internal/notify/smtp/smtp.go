// Package smtp sends email to a mail server by SMTP (RFC 5321), as a client of a submission service
// (RFC 6409). Connections use TLS, except to this host.
//
// SMTP has no receipts: a message that was accepted may still bounce, by a mail to the sender's
// address that carewire does not read.
package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"

	"carewire/internal/notify"
	"carewire/internal/notify/httpcall"
)

// provider is the name in receipts.
const provider = "smtp"

// callTimeout bounds a call without a deadline of its own.
const callTimeout = 30 * time.Second

// TLS is the way in which a connection is encrypted.
type TLS string

// The ways.
const (
	StartTLS TLS = "starttls" // STARTTLS is required (RFC 3207); port 587.
	Implicit TLS = "implicit" // TLS from the first byte (RFC 8314); port 465.
	None     TLS = "none"     // Clear text, to this host only; port 25.
)

// ports are the ports by default.
var ports = map[TLS]int{StartTLS: 587, Implicit: 465, None: 25}

// Config configures the client.
type Config struct {
	// Host is the server's name or address. Required.
	Host string
	// Port is the server's port; 0 means 587, 465 or 25, depending on TLS.
	Port int
	// TLS is the encryption; empty means StartTLS.
	TLS TLS
	// RootCAs are the authorities that the server's certificate is verified with; nil means the
	// system's.
	RootCAs *x509.CertPool
	// Username and Password are the credentials; empty means that the server needs none.
	Username, Password string
	// From is the sender's address. Required.
	From string
}

// Validate returns an error for each missing or invalid field.
func (cfg Config) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf("smtp: "+format, args...)) }
	if cfg.Host == "" || strings.ContainsAny(cfg.Host, " /\r\n\t") {
		add("Host must be the name or address of the mail server")
	}
	if cfg.Port < 0 || cfg.Port > 65535 {
		add("Port must be 1 to 65535")
	}
	if _, ok := ports[cfg.TLS]; !ok && cfg.TLS != "" {
		add("TLS must be starttls, implicit or none")
	}
	if cfg.TLS == None && !loopback(cfg.Host) {
		add("TLS may be none only for a server on this host, because messages and addresses would be sent in clear text")
	}
	if cfg.TLS == None && cfg.Username != "" {
		add("Username needs TLS")
	}
	if (cfg.Username == "") != (cfg.Password == "") {
		add("Username and Password must be set together")
	}
	if a, err := netmail.ParseAddress(cfg.From); err != nil || a.Address != cfg.From {
		add("From must be an address such as clinic@example.org")
	}
	return errors.Join(errs...)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// Sender sends email. Each message has a connection of its own. It is safe for concurrent use.
type Sender struct {
	cfg Config
}

var _ notify.Notifier = (*Sender)(nil)

// New returns a Sender. It does not connect.
func New(cfg Config) (*Sender, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.TLS == "" {
		cfg.TLS = StartTLS
	}
	if cfg.Port == 0 {
		cfg.Port = ports[cfg.TLS]
	}
	return &Sender{cfg: cfg}, nil
}

// Close does nothing: no connection outlives its message.
func (s *Sender) Close() {}

// Notify implements notify.Notifier. It sends the message to its one address. The receipt's
// ProviderID is the Message-ID, which has the delivery's id.
func (s *Sender) Notify(ctx context.Context, m notify.Message) (notify.Receipt, error) {
	receipt := notify.Receipt{Provider: provider}
	message, err := s.message(m)
	if err != nil {
		return receipt, notify.Permanent("invalid_address")
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	d := &dialer{}
	defer d.close()
	stop := context.AfterFunc(ctx, d.close)
	defer stop()
	client, err := s.client(ctx, d)
	if err != nil {
		return receipt, notify.Transient("settings", 0)
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return receipt, classifyDial(ctx, err)
	}
	err = client.SendWithSMTPClient(connection, message)
	if err != nil && !message.IsDelivered() {
		return receipt, classifySend(err)
	}
	_ = client.CloseWithSMTPClient(connection) // The message was accepted, even if QUIT fails.
	receipt.ProviderID = strings.Trim(message.GetMessageID(), "<>")
	return receipt, nil
}

func (s *Sender) client(ctx context.Context, d *dialer) (*mail.Client, error) {
	settings := &tls.Config{ServerName: s.cfg.Host, RootCAs: s.cfg.RootCAs, MinVersion: tls.VersionTLS12}
	timeout := callTimeout
	if at, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(at), time.Millisecond)
	}
	options := []mail.Option{
		mail.WithPort(s.cfg.Port), mail.WithTimeout(timeout), mail.WithTLSConfig(settings), mail.WithoutNoop(), mail.WithoutRset(),
		mail.WithTLSPolicy(mail.TLSMandatory),
	}
	switch s.cfg.TLS {
	case Implicit:
		options = append(options, mail.WithSSL())
		d.tls = settings
	case None:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	case StartTLS:
	}
	if s.cfg.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.cfg.Username), mail.WithPassword(s.cfg.Password))
	}
	return mail.NewClient(s.cfg.Host, append(options, mail.WithDialContextFunc(d.dial))...)
}

// dialer opens the connection of one message, and closes it at the end of the call: the client
// leaves one open that it could not greet.
type dialer struct {
	tls *tls.Config

	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, httpcall.DialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if d.tls != nil {
		encrypted := tls.Client(conn, d.tls)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = encrypted
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conn = conn
	if d.closed {
		_ = conn.Close()
	}
	return conn, nil
}

func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.conn != nil {
		_ = d.conn.Close()
	}
}
