package providerfile

import (
	"maps"
	"net"
	netmail "net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
)

// kind is a kind of provider.
type kind struct {
	channel  string
	settings map[string]setting
	// secrets are the keys of credentials, with true for the required ones.
	secrets map[string]bool
	// together are two credentials of which none or both are set; empty for none.
	together [2]string
}

// setting is a key of a kind.
type setting struct {
	required bool
	valid    func(value string) bool
	// want describes the valid values.
	want string
}

// The forms of the settings.
var (
	regionForm       = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)
	hostForm         = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45})$`)
	projectForm      = regexp.MustCompile(`^([a-z0-9.-]{1,100}:)?[a-z][a-z0-9-]{3,28}[a-z0-9]$`)
	awsNameForm      = regexp.MustCompile(`^[A-Za-z0-9_:/-]{1,256}$`)
	originationForm  = regexp.MustCompile(`^[A-Za-z0-9_:/+-]{1,256}$`)
	priceForm        = regexp.MustCompile(`^[0-9]{0,2}\.[0-9]{1,5}$`)
	accountForm      = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)
	keyForm          = regexp.MustCompile(`^SK[0-9a-fA-F]{32}$`)
	twilioFromForm   = regexp.MustCompile(`^(\+[1-9][0-9]{6,14}|MG[0-9a-fA-F]{32}|[A-Za-z0-9 &_-]{1,11}|[0-9]{3,8})$`)
	digitsForm       = regexp.MustCompile(`^[0-9]{1,32}$`)
	graphVersionForm = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,2}$`)
)

// The settings that several kinds have.
var (
	endpoint         = setting{valid: isEndpoint, want: "an https URL without a user and password; http only for this host"}
	region           = setting{valid: regionForm.MatchString, want: "a region of AWS such as eu-central-1"}
	configurationSet = setting{valid: awsNameForm.MatchString, want: "the name of a configuration set"}
)

// awsSecrets and awsTogether are the credentials of AWS. Without them the SDK searches for some.
var (
	awsSecrets  = map[string]bool{"accessKeyId": false, "secretAccessKey": false}
	awsTogether = [2]string{"accessKeyId", "secretAccessKey"}
)

// kinds are the kinds by name.
var kinds = map[string]kind{
	"ses": {
		channel: "email",
		settings: map[string]setting{
			"from":   {required: true, valid: isMailbox, want: "the sender's address, such as clinic@example.org"},
			"region": region, "endpoint": endpoint, "configurationSet": configurationSet,
		},
		secrets: awsSecrets, together: awsTogether,
	},
	"smtp": {
		channel: "email",
		settings: map[string]setting{
			"from": {required: true, valid: isAddress, want: "the sender's address, such as clinic@example.org"},
			"host": {required: true, valid: hostForm.MatchString, want: "the name or address of the mail server"},
			"port": {valid: isPort, want: "a port from 1 to 65535"},
			"tls":  {valid: isTLS, want: "starttls, implicit or, for a server on this host, none"},
		},
		secrets: map[string]bool{"username": false, "password": false}, together: [2]string{"username", "password"},
	},
	"fcm": {
		channel: "push",
		settings: map[string]setting{
			"project":  {required: true, valid: projectForm.MatchString, want: "the ID of a Firebase project, such as clinic-1a2b3"},
			"endpoint": endpoint,
		},
		secrets: map[string]bool{"credentials": false},
	},
	"aws-sms": {
		channel: "sms",
		settings: map[string]setting{
			"origination": {required: true, valid: originationForm.MatchString, want: "a phone number, a sender ID, or the ID or ARN of a number or pool"},
			"maxPrice":    {valid: priceForm.MatchString, want: "US dollars with a decimal point, such as 0.25"},
			"region":      region, "endpoint": endpoint, "configurationSet": configurationSet,
		},
		secrets: awsSecrets, together: awsTogether,
	},
	"twilio": {
		channel: "sms",
		settings: map[string]setting{
			"accountSid": {required: true, valid: accountForm.MatchString, want: "AC and 32 hexadecimal digits"},
			"keySid":     {valid: keyForm.MatchString, want: "SK and 32 hexadecimal digits"},
			"from":       {required: true, valid: twilioFromForm.MatchString, want: "a phone number such as +15550100001, a sender ID, or the SID of a messaging service"},
			"endpoint":   endpoint,
		},
		secrets: map[string]bool{"secret": true},
	},
	"whatsapp": {
		channel: "whatsapp",
		settings: map[string]setting{
			"phoneNumberId": {required: true, valid: digitsForm.MatchString, want: "the digits of Meta's ID of the number, not the number itself"},
			"version":       {valid: graphVersionForm.MatchString, want: "a version such as v23.0"},
			"endpoint":      endpoint,
		},
		secrets: map[string]bool{"token": true},
	},
}

// Channels returns the channels that a file can have providers of, sorted.
func Channels() []string {
	var all []string
	for _, k := range kinds {
		all = append(all, k.channel)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Kinds returns the kinds of the channel's providers, sorted.
func Kinds(channel string) []string {
	var all []string
	for name, k := range kinds {
		if k.channel == channel {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// keys returns the kind's keys: the common ones, the settings and the secrets.
func (k kind) keys() []string {
	return slices.Concat(common, slices.Sorted(maps.Keys(k.settings)), slices.Sorted(maps.Keys(k.secrets)))
}

func isMailbox(value string) bool {
	_, err := netmail.ParseAddress(value)
	return err == nil
}

func isAddress(value string) bool {
	a, err := netmail.ParseAddress(value)
	return err == nil && a.Address == value
}

func isPort(value string) bool {
	port, err := strconv.Atoi(value)
	return err == nil && port >= 1 && port <= 65535
}

func isTLS(value string) bool { return value == "starttls" || value == "implicit" || value == "none" }

// isEndpoint reports whether the value is a URL to which credentials and addresses may be sent.
func isEndpoint(value string) bool {
	u, err := url.Parse(value)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || (u.Scheme == "http" && loopback(u.Hostname()))
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
