package config

import (
	"net/url"
	"regexp"
)

// The forms of the settings of text messages.
// https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html
var (
	originationForm      = regexp.MustCompile(`^[A-Za-z0-9_:/+-]{1,256}$`)
	configurationSetForm = regexp.MustCompile(`^[A-Za-z0-9_:/-]{1,256}$`)
	priceForm            = regexp.MustCompile(`^[0-9]{0,2}\.[0-9]{1,5}$`)
	phoneNumberIDForm    = regexp.MustCompile(`^[0-9]{1,32}$`)
	versionForm          = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]{1,2}$`)
	tokenForm            = regexp.MustCompile(`^[!-~]{1,1000}$`)
)

func (c Config) validateSMS(add addError) {
	if c.SMSOrigination == "" {
		for setting, value := range map[string]string{"CAREWIRE_SMS_CONFIGURATION_SET": c.SMSConfigurationSet, "CAREWIRE_SMS_MAX_PRICE": c.SMSMaxPrice} {
			if value != "" {
				add(setting, "needs CAREWIRE_SMS_ORIGINATION, without which no SMS is sent")
			}
		}
	} else if !originationForm.MatchString(c.SMSOrigination) {
		add("CAREWIRE_SMS_ORIGINATION", "invalid identity %q; want a phone number, a sender ID, or the ID or ARN of a number or pool, such as +12015550123 or pool-0123", c.SMSOrigination)
	}
	if c.SMSConfigurationSet != "" && !configurationSetForm.MatchString(c.SMSConfigurationSet) {
		add("CAREWIRE_SMS_CONFIGURATION_SET", "invalid name %q; want the name or ARN of a configuration set", c.SMSConfigurationSet)
	}
	if c.SMSMaxPrice != "" && !priceForm.MatchString(c.SMSMaxPrice) {
		add("CAREWIRE_SMS_MAX_PRICE", "invalid price %q; want US dollars with a decimal point, such as 0.25", c.SMSMaxPrice)
	}
}

func (c Config) validateWhatsApp(add addError) {
	switch {
	case c.WhatsAppPhoneNumberID == "" && c.WhatsAppToken != "":
		add("CAREWIRE_WHATSAPP_PHONE_NUMBER_ID", "required with CAREWIRE_WHATSAPP_TOKEN: the ID that Meta gave the number")
	case c.WhatsAppPhoneNumberID != "" && !phoneNumberIDForm.MatchString(c.WhatsAppPhoneNumberID):
		add("CAREWIRE_WHATSAPP_PHONE_NUMBER_ID", "invalid ID %q; want the digits of Meta's ID of the number, not the number itself", c.WhatsAppPhoneNumberID)
	}
	switch {
	case c.WhatsAppPhoneNumberID != "" && c.WhatsAppToken == "":
		add("CAREWIRE_WHATSAPP_TOKEN", "required with CAREWIRE_WHATSAPP_PHONE_NUMBER_ID: an access token with the permission whatsapp_business_messaging")
	case c.WhatsAppToken != "" && !tokenForm.MatchString(c.WhatsAppToken):
		add("CAREWIRE_WHATSAPP_TOKEN", "must be one word of at most 1000 printable ASCII characters")
	}
	if c.WhatsAppVersion != "" && !versionForm.MatchString(c.WhatsAppVersion) {
		add("CAREWIRE_WHATSAPP_VERSION", "invalid version %q; want one such as v23.0", c.WhatsAppVersion)
	}
	if c.WhatsAppEndpoint == "" {
		return
	}
	switch u, err := url.Parse(c.WhatsAppEndpoint); {
	case err != nil || !isHTTP(u):
		add("CAREWIRE_WHATSAPP_ENDPOINT", "invalid URL; want one such as https://graph.facebook.com")
	case u.User != nil:
		add("CAREWIRE_WHATSAPP_ENDPOINT", "must not have a user or password; the token is CAREWIRE_WHATSAPP_TOKEN")
	case u.Scheme != "https" && !loopback(u.Hostname()):
		add("CAREWIRE_WHATSAPP_ENDPOINT", "must be https: the access token and patients' numbers would be sent in clear text")
	}
}
