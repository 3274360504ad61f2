// Package config reads the service's settings from the environment. Validation reports all errors
// at once, with the names of the settings.
package config

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config has every setting of the service. The tag about is the description in --help. The AWS and
// Google SDKs read their credentials from their own variables.
type Config struct {
	// DatabaseURL is PostgreSQL's URL for the owner: for migrations and commands, and for everything
	// if the URLs below are not set. Without any of the three the service runs an embedded server in
	// DataDir.
	DatabaseURL string `env:"DATABASE_URL" about:"PostgreSQL 15 or newer, as the owner; default: the embedded server"`
	// DatabaseURLFile is the path of a file with DatabaseURL, instead of the environment. The other
	// files likewise.
	DatabaseURLFile string `env:"DATABASE_URL_FILE" about:"file with the value of DATABASE_URL"`
	// AppDatabaseURL is the URL of the same database for a login with the role carewire_app only, for
	// requests.
	AppDatabaseURL     string `env:"CAREWIRE_APP_DATABASE_URL" about:"same database, as a login with the role carewire_app only, for requests; default: DATABASE_URL"`
	AppDatabaseURLFile string `env:"CAREWIRE_APP_DATABASE_URL_FILE" about:"file with the value of CAREWIRE_APP_DATABASE_URL"`
	// WorkerDatabaseURL is the URL of the same database for a login with the role carewire_worker
	// only, for background work.
	WorkerDatabaseURL     string `env:"CAREWIRE_WORKER_DATABASE_URL" about:"same database, as a login with the role carewire_worker only, for background work; default: DATABASE_URL"`
	WorkerDatabaseURLFile string `env:"CAREWIRE_WORKER_DATABASE_URL_FILE" about:"file with the value of CAREWIRE_WORKER_DATABASE_URL"`
	// DataDir is the directory of the embedded database and the demo's signing key.
	DataDir string `env:"CAREWIRE_DATA_DIR" envDefault:".carewire" about:"directory of the embedded database and the demo's signing key"`
	// Addr is the host:port on which HTTP is served.
	Addr string `env:"CAREWIRE_ADDR" envDefault:"127.0.0.1:8080" about:"address to serve HTTP on"`
	// BaseURL is the public URL of the service, used for links in messages. It defaults to
	// http://Addr.
	BaseURL string `env:"CAREWIRE_BASE_URL" about:"public URL of the service, for links in messages; default: http://CAREWIRE_ADDR"`
	// AppLink is the URL of a page in the clinic's app, with {path} for the path, to which links in
	// messages redirect. It defaults to the service's own pages.
	AppLink string `env:"CAREWIRE_APP_LINK" about:"URL of the clinic's app that links in messages redirect to, with {path} for the path, such as https://app.example.org/{path}; default: the service's own pages"`
	// MetricsAddr is the address on which /metrics and profiles are served, separate from the API. It
	// defaults to none, and in demo mode to Addr.
	MetricsAddr string `env:"CAREWIRE_METRICS_ADDR" about:"address to serve /metrics and profiles on, without authentication; default: none, in demo mode CAREWIRE_ADDR"`
	// Origins are the origins of browser apps, other than the service's own, that may call the API and
	// open sockets.
	Origins []string `env:"CAREWIRE_ORIGINS" envSeparator:"," about:"browser origins that may call the API, comma-separated; default: only the service's own"`
	// TrustedProxies are the addresses of proxies in front of the service. Their X-Forwarded-For
	// header is trusted.
	TrustedProxies []string `env:"CAREWIRE_TRUSTED_PROXIES" envSeparator:"," about:"addresses or networks of proxies whose X-Forwarded-For or Forwarded header is trusted, comma-separated; default: none"`
	// RateLimit is the maximum number of requests a second of one subject.
	RateLimit int `env:"CAREWIRE_RATE_LIMIT" envDefault:"500" about:"maximum requests a second of one subject"`
	// SocketsPerPerson is the maximum number of open sockets of one person at one instance.
	SocketsPerPerson int `env:"CAREWIRE_SOCKETS_PER_PERSON" envDefault:"50" about:"maximum open sockets of one person"`
	// AuditClientAddress is how much of a client's address events store: full, prefix or off.
	AuditClientAddress string `env:"CAREWIRE_AUDIT_CLIENT_ADDRESS" envDefault:"full" about:"how much of a client's address the audit trail stores: full, prefix (/24 of IPv4, /48 of IPv6) or off"`
	// AuditClientRetention is how long the addresses and agents of events are stored; 0 means for
	// ever.
	AuditClientRetention time.Duration `env:"CAREWIRE_AUDIT_CLIENT_RETENTION" envDefault:"8760h" about:"how long the audit trail stores clients' addresses and agents; 0: for ever"`
	// MaxConns is the maximum number of connections of each of the two pools (requests, work).
	MaxConns int32 `env:"CAREWIRE_DB_MAX_CONNS" envDefault:"32" about:"maximum connections of each of the two pools"`

	// OIDCIssuer is the URL of the identity provider; required unless in demo mode.
	OIDCIssuer string `env:"CAREWIRE_OIDC_ISSUER" about:"URL of the identity provider; required without --demo"`
	// OIDCAudience is the required value in a bearer token's aud claim.
	OIDCAudience string `env:"CAREWIRE_OIDC_AUDIENCE" envDefault:"carewire" about:"required value in a token's aud claim"`
	// OIDCKeysMaxAge is the age at which the identity provider's keys are fetched again; 0 means 5
	// minutes.
	OIDCKeysMaxAge time.Duration `env:"CAREWIRE_OIDC_KEYS_MAX_AGE" envDefault:"5m" about:"maximum age of cached keys of the identity provider; a withdrawn key is accepted for that long"`
	// OIDCClientID and OIDCClientSecret are the credentials for browser logins at /login. Without them
	// only bearer tokens are accepted.
	OIDCClientID     string `env:"CAREWIRE_OIDC_CLIENT_ID" about:"client ID for browser logins at /login"`
	OIDCClientSecret string `env:"CAREWIRE_OIDC_CLIENT_SECRET,unset" about:"client secret, if the client has one"`
	// OIDCClientSecretFile is the path of a file with OIDCClientSecret, instead of the environment.
	OIDCClientSecretFile string `env:"CAREWIRE_OIDC_CLIENT_SECRET_FILE" about:"file with the client secret"`

	// ImageHosts are the hosts of images in messages and of clinics' logos. Only https is allowed.
	ImageHosts []string `env:"CAREWIRE_IMAGE_HOSTS" envSeparator:"," about:"hosts of images in messages and of clinics' logos, comma-separated, such as img.example.org; default: none"`

	// Providers is the path of a YAML file with the providers of each channel, in order. A channel that
	// it names must not be configured by the settings below too.
	Providers string `env:"CAREWIRE_PROVIDERS" about:"YAML file with the ordered providers of each channel; check it with carewire providers check; default: the settings of one provider a channel"`

	// EmailFrom is the sender address of emails, verified with SES; empty disables email.
	EmailFrom string `env:"CAREWIRE_EMAIL_FROM" about:"sender address of emails; default: no email is sent. Credentials are read from the AWS SDK's variables"`
	// SESConfigurationSet is the SES configuration set that publishes receipts.
	SESConfigurationSet string `env:"CAREWIRE_SES_CONFIGURATION_SET" about:"SES configuration set that publishes receipts"`
	// SESTopicARNs are the SNS topics of the receipts of SES, at /webhooks/ses; none disables them. Two
	// regions have two topics.
	SESTopicARNs []string `env:"CAREWIRE_SES_TOPIC_ARN" envSeparator:"," about:"SNS topics of the receipts of SES, one for each region, comma-separated, posted to /webhooks/ses; default: no receipts of email"`
	// SMSTopicARNs are the SNS topics of the receipts of AWS End User Messaging, at /webhooks/sms.
	SMSTopicARNs []string `env:"CAREWIRE_SMS_TOPIC_ARN" envSeparator:"," about:"SNS topics of the receipts of AWS SMS, comma-separated, posted to /webhooks/sms; default: no receipts of SMS"`
	// WhatsAppAppSecret signs the requests to /webhooks/whatsapp; empty disables them.
	// WhatsAppVerifyToken is the token that confirms the webhook's subscription.
	WhatsAppAppSecret       string `env:"CAREWIRE_WHATSAPP_APP_SECRET,unset" about:"secret of the Meta app, which signs requests to /webhooks/whatsapp; default: no receipts of WhatsApp"`
	WhatsAppAppSecretFile   string `env:"CAREWIRE_WHATSAPP_APP_SECRET_FILE" about:"file with the secret of the Meta app"`
	WhatsAppVerifyToken     string `env:"CAREWIRE_WHATSAPP_VERIFY_TOKEN,unset" about:"token that confirms the subscription of /webhooks/whatsapp at Meta"`
	WhatsAppVerifyTokenFile string `env:"CAREWIRE_WHATSAPP_VERIFY_TOKEN_FILE" about:"file with the token"`
	// TwilioAuthToken signs the requests to /webhooks/twilio; empty disables them.
	TwilioAuthToken     string `env:"CAREWIRE_TWILIO_AUTH_TOKEN,unset" about:"auth token of the Twilio account, which signs requests to /webhooks/twilio; default: no receipts of Twilio"`
	TwilioAuthTokenFile string `env:"CAREWIRE_TWILIO_AUTH_TOKEN_FILE" about:"file with the auth token"`
	// EmailMaxRate is the maximum number of emails a second of this instance: SES's account limit
	// divided by the number of instances that send. 0 means as many as SES accepts without throttling.
	EmailMaxRate float64 `env:"CAREWIRE_EMAIL_MAX_RATE" envDefault:"0" about:"maximum emails a second of this instance: SES's account limit divided by the number of instances; 0: as many as SES accepts"`
	// FCMProject is the Firebase project of push messages; empty disables push.
	FCMProject string `env:"CAREWIRE_FCM_PROJECT" about:"Firebase project; default: no push is sent. Credentials are read from GOOGLE_APPLICATION_CREDENTIALS"`
	// PushMaxRate is the maximum number of push messages a second of this instance; 0 means as many as
	// FCM accepts.
	PushMaxRate float64 `env:"CAREWIRE_PUSH_MAX_RATE" envDefault:"0" about:"maximum push messages a second of this instance; 0: as many as FCM accepts"`
	// PushCriticalAlerts reports that the app has Apple's entitlement for critical alerts.
	PushCriticalAlerts bool `env:"CAREWIRE_PUSH_CRITICAL_ALERTS" envDefault:"false" about:"whether the app has Apple's entitlement for critical alerts: critical push messages then sound on muted iPhones"`
	// SMSOrigination is the identity that SMS come from; empty disables SMS.
	SMSOrigination string `env:"CAREWIRE_SMS_ORIGINATION" about:"identity that SMS come from at AWS End User Messaging: a phone number, a sender ID, or the ID or ARN of a number or pool; default: no SMS is sent. Credentials are read from the AWS SDK's variables"`
	// SMSConfigurationSet is the configuration set of AWS End User Messaging that publishes receipts.
	SMSConfigurationSet string `env:"CAREWIRE_SMS_CONFIGURATION_SET" about:"configuration set of AWS End User Messaging that publishes receipts"`
	// SMSMaxPrice is the most that one segment of an SMS may cost, in US dollars.
	SMSMaxPrice string `env:"CAREWIRE_SMS_MAX_PRICE" about:"most that one segment of an SMS may cost, in US dollars, such as 0.25; a message above it fails; default: no limit"`
	// SMSMaxRate is the maximum number of SMS a second of this instance; 0 means as many as the
	// provider accepts.
	SMSMaxRate float64 `env:"CAREWIRE_SMS_MAX_RATE" envDefault:"0" about:"maximum SMS a second of this instance: the origination's limit of message parts divided by the number of instances; 0: as many as the provider accepts"`
	// WhatsAppPhoneNumberID is Meta's ID of the number that WhatsApp messages come from; empty disables
	// WhatsApp.
	WhatsAppPhoneNumberID string `env:"CAREWIRE_WHATSAPP_PHONE_NUMBER_ID" about:"Meta's ID of the number that WhatsApp messages come from; default: no WhatsApp message is sent"`
	// WhatsAppToken is the access token of the Cloud API.
	WhatsAppToken     string `env:"CAREWIRE_WHATSAPP_TOKEN,unset" about:"access token of the WhatsApp Cloud API with the permission whatsapp_business_messaging"`
	WhatsAppTokenFile string `env:"CAREWIRE_WHATSAPP_TOKEN_FILE" about:"file with the access token"`
	// WhatsAppVersion and WhatsAppEndpoint select the Cloud API.
	WhatsAppVersion  string `env:"CAREWIRE_WHATSAPP_VERSION" envDefault:"v23.0" about:"version of the WhatsApp Cloud API"`
	WhatsAppEndpoint string `env:"CAREWIRE_WHATSAPP_ENDPOINT" envDefault:"https://graph.facebook.com" about:"URL of the WhatsApp Cloud API without the version"`
	// WhatsAppMaxRate is the maximum number of WhatsApp messages a second of this instance; 0 means as
	// many as the Cloud API accepts.
	WhatsAppMaxRate float64 `env:"CAREWIRE_WHATSAPP_MAX_RATE" envDefault:"0" about:"maximum WhatsApp messages a second of this instance; 0: as many as the Cloud API accepts"`

	// LogLevel is debug, info, warn or error; LogFormat is json, text, or auto (text on a terminal).
	LogLevel  string `env:"CAREWIRE_LOG_LEVEL" envDefault:"info" about:"debug, info, warn or error"`
	LogFormat string `env:"CAREWIRE_LOG_FORMAT" envDefault:"auto" about:"json, text, or auto: text on a terminal"`
	// ShutdownTimeout bounds how long a stop waits for requests, sockets and jobs.
	ShutdownTimeout time.Duration `env:"CAREWIRE_SHUTDOWN_TIMEOUT" envDefault:"20s" about:"maximum time that a stop waits for requests, sockets and jobs"`

	// StartTimeout bounds how long a start waits for an unavailable database; 0 disables waiting.
	StartTimeout time.Duration `env:"CAREWIRE_START_TIMEOUT" envDefault:"60s" about:"maximum time that a start waits for an unavailable database; 0 disables waiting"`
	// DrainDelay is how long a stop keeps serving while /readyz returns 503; nil means 5 seconds, in
	// demo mode 0.
	DrainDelay *time.Duration `env:"CAREWIRE_DRAIN_DELAY" about:"time that a stop keeps serving while /readyz returns 503; default: 5s, in demo mode 0s"`

	// AllowInsecure lists the Insecure settings to accept although they are unsafe outside demo mode.
	AllowInsecure []string `env:"CAREWIRE_ALLOW_INSECURE" envSeparator:"," about:"unsafe settings to accept, comma-separated: base-url, database, metrics, origins; default: none"`

	// Roles are the roles of this instance, from AllRoles. Set by --roles.
	Roles []string `env:"-"`
	// Demo seeds a demo clinic, signs tokens with a local key and sends messages to the sandbox. Set
	// by --demo.
	Demo bool `env:"-"`
	// DemoAnyAddr allows demo mode on addresses other than loopback. Set by --demo-any-address.
	DemoAnyAddr bool `env:"-"`

	// Warnings name variables that look like settings and are ignored. Set by FromEnvironment.
	Warnings []string `env:"-"`
}

// defaultDrainDelay is longer than two checks of a load balancer with an interval of 2 seconds.
const defaultDrainDelay = 5 * time.Second

// Drain returns how long a stop keeps serving, so that load balancers notice /readyz and stop
// sending requests.
func (c Config) Drain() time.Duration {
	switch {
	case c.DrainDelay != nil:
		return *c.DrainDelay
	case c.Demo:
		return 0
	}
	return defaultDrainDelay
}

// maxSendRate is the highest rate limit for a provider, in messages a second.
const maxSendRate = 10_000

// AllRoles are the roles an instance can have: serve requests (api) and sockets (realtime), move
// the outbox into the ledger and plan notifications (dispatch), send messages (work).
var AllRoles = []string{"api", "realtime", "dispatch", "work"}

// Does reports whether this instance has the role.
func (c Config) Does(role string) bool { return slices.Contains(c.Roles, role) }

// Embedded reports whether the service runs an embedded PostgreSQL in DataDir, because no URL is
// set.
func (c Config) Embedded() bool {
	return c.DatabaseURL == "" && c.AppDatabaseURL == "" && c.WorkerDatabaseURL == ""
}

// Proxies returns TrustedProxies as networks. An address is a network of one.
func (c Config) Proxies() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range c.TrustedProxies {
		text = strings.TrimSpace(text)
		prefix, err := netip.ParsePrefix(text)
		if addr, bad := netip.ParseAddr(text); bad == nil && addr.Zone() == "" {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("invalid address or network %q; want one such as 10.0.0.0/8", text)
		}
		if prefix.Addr().Is4In6() {
			return nil, fmt.Errorf("invalid network %q; write an IPv4 network as such, for example 10.0.0.0/8", text)
		}
		all = append(all, prefix.Masked())
	}
	return all, nil
}

// FromEnvironment reads the settings from the process's environment, and from the files that it
// names. It does not validate them. Its error has every setting that cannot be read; these have
// their defaults in the result, so that Validate can report the errors of the others too.
func FromEnvironment() (Config, error) {
	environ := os.Environ()
	vars := env.ToMap(environ)
	var c Config
	err := env.ParseWithOptions(&c, env.Options{Environment: vars})
	if all, ok := errors.AsType[env.AggregateError](err); ok {
		c, err = withoutInvalid(all, vars)
	}
	if c.BaseURL == "" {
		c.BaseURL = "http://" + c.Addr
	}
	warnings, unknown := checkNames(environ)
	c.Warnings = warnings
	return c, errors.Join(err, unknown, c.readFiles())
}

// withoutInvalid returns the settings without those that cannot be parsed, and the errors with the
// names of the settings instead of the struct's fields.
func withoutInvalid(all env.AggregateError, vars map[string]string) (c Config, err error) {
	var errs []error
	for _, err := range all.Errors {
		if parse, ok := errors.AsType[env.ParseError](err); ok {
			field, _ := reflect.TypeFor[Config]().FieldByName(parse.Name)
			name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
			typ := strings.TrimPrefix(parse.Type.String(), "*")
			err = fmt.Errorf("%s: invalid value; want %s", name, forms[typ])
			delete(vars, name)
		}
		errs = append(errs, err)
	}
	if err := env.ParseWithOptions(&c, env.Options{Environment: vars}); err != nil {
		errs = append(errs, err)
	}
	return c, errors.Join(errs...)
}

// forms describe the values of the types of settings.
var forms = map[string]string{
	"time.Duration": "a duration such as 20s or 5m", "int": "a whole number", "int32": "a whole number", "float64": "a number such as 0.5", "bool": "true or false",
}
