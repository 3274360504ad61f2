package notify

// The names under which providers keep the delivery's id with a message and return it in receipts. A
// client sends it, and the verifier of its receipts reads it.
const (
	// DeliveryTag is the tag of an email at SES, and the key in the context of a text message at AWS.
	DeliveryTag = "delivery_id"
	// DeliveryParameter is the parameter in the URL of Twilio's status callbacks.
	DeliveryParameter = "delivery"
)
