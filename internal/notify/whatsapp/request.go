package whatsapp

import (
	"strings"

	"carewire/internal/notify"
)

// The body of a template message.
// https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
type (
	request struct {
		MessagingProduct string          `json:"messaging_product"`
		RecipientType    string          `json:"recipient_type"`
		To               string          `json:"to"`
		Type             string          `json:"type"`
		Template         templateMessage `json:"template"`
		// CallbackData is repeated in the webhooks about the message: the delivery's id.
		CallbackData string `json:"biz_opaque_callback_data"`
	}
	templateMessage struct {
		Name       string      `json:"name"`
		Language   language    `json:"language"`
		Components []component `json:"components,omitempty"`
	}
	language struct {
		Code string `json:"code"`
	}
	component struct {
		Type string `json:"type"`
		// SubType and Index are set for a button.
		SubType    string      `json:"sub_type,omitempty"`
		Index      string      `json:"index,omitempty"`
		Parameters []parameter `json:"parameters"`
	}
	parameter struct {
		Type string `json:"type"`
		Text string `json:"text"`
	}
)

func newRequest(m notify.Message) request {
	r := request{
		MessagingProduct: "whatsapp", RecipientType: "individual", To: m.Phone, Type: "template",
		Template:     templateMessage{Name: m.Approved.Name, Language: language{m.Approved.Language}},
		CallbackData: m.DeliveryID.String(),
	}
	if len(m.Approved.Variables) > 0 {
		body := component{Type: "body"}
		for _, value := range m.Approved.Variables {
			body.Parameters = append(body.Parameters, text(value))
		}
		r.Template.Components = append(r.Template.Components, body)
	}
	if m.Approved.Button != "" {
		r.Template.Components = append(r.Template.Components, component{
			Type: "button", SubType: "url", Index: "0", Parameters: []parameter{text(m.Approved.Button)},
		})
	}
	return r
}

// text returns a parameter. Meta rejects values with line breaks, tabs or more than four spaces in a
// row.
func text(value string) parameter {
	return parameter{Type: "text", Text: strings.Join(strings.Fields(value), " ")}
}
