package openapi

import (
	"crypto/sha256"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
)

// exampleTexts are examples of strings by the name of their field, for fields without an example
// tag.
var exampleTexts = map[string]string{ //nolint:gosec // Invented, no credentials.
	"actorid":       exampleID("doctorId"),
	"actorrole":     "doctor",
	"abatementText": "after the operation",
	"added":         "lab-report-ready",
	"changed":       "welcome",
	"clientId":      "device-gateway",
	"conclusion":    "No fracture.",
	"description":   "Itching, no swelling",
	"findings":      "The bones of the left wrist are intact.",
	"followUp":      "Stitches out after ten days.",
	"issuer":        "https://id.clinic.example",
	"lotNumber":     "AB1234",
	"manufacturer":  "Example Vaccines",
	"note":          "Seen together with the family.",
	"publishedBy":   exampleID("operatorId"),
	"removed":       "account-changed",
	"source":        "rules: [{name: welcome, on: user.created, recipients: [{user: data.userId}], channels: [email]}]",
	"title":         "Findings",
	"unreadable":    "7",
	"category":      "clinical",
	"channel":       "email",
	"code":          "invalid",
	"correlationid": "req-7f3a91c2",
	"createdBy":     exampleID("doctorId"),
	"currency":      "EUR",
	"errorCode":     "MessageRejected",
	"email":         "ada@clinic.example",
	"eventType":     "ehr.lab_report.created",
	"familyName":    "Byron",
	"givenName":     "Ada",
	"If-Match":      `"3"`,
	"If-None-Match": `"3"`,
	"locale":        "en-GB",
	"madeBy":        exampleID("receptionistId"),
	"name":          "Demo Clinic",
	"next":          "MTc3NDM0NTgwMDAwMDAwMC8wMTkwYTFiMg",
	"after":         "MTc3NDM0NTgwMDAwMDAwMC8wMTkwYTFiMg",
	"cursor":        "MTc3NDM0NTgwMDAwMDAwMC8wMTkwYTFiMg",
	"number":        "2026-00017",
	"phone":         "+15550100",
	"priority":      "high",
	"provider":      "ses",
	"reason":        "no_address",
	"receivedBy":    exampleID("receptionistId"),
	"reference":     "pi_3Nabc",
	"requestId":     "K5V3Q7N2XJ4M6P8RTWYA9BCDEF",
	"role":          "doctor",
	"rule":          "lab-report-ready",
	"status":        "final",
	"subject":       "lab_report/" + exampleID("id"),
	"text":          "3.5 to 5.1 mmol/L",
	"ticket":        "nV2hZ0mC7rQwX4tL9pJ8bD",
	"timeZone":      "Europe/Berlin",
	"token":         "fEw3k9:APA91bH",
	"traceparent":   "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	"type":          "ehr.lab_report.created",
	"updatedBy":     exampleID("doctorId"),
}

// exampleNumbers are examples of numbers by the name of their field, where the minimum would
// mislead.
var exampleNumbers = map[string]float64{
	"amountMinor": 4250, "totalMinor": 4250, "paidMinor": 0, "refundedMinor": 0, "position": 1042, "limit": 50, "version": 3, "subjectversion": 3,
	"ruleVersion": 2, "status": 422, "attempt": 1, "quantity": 30, "low": 3.5, "high": 5.1, "value": 4.1,
}

// exampleTimes are examples of times that are later than others.
var exampleTimes = map[string]string{"endsAt": "2026-03-14T10:00:00Z", "to": "2026-03-15T09:30:00Z", "expiresAt": "2026-03-14T09:30:30Z"}

// exampleID returns the id of a field of that name in every example: a UUIDv7, always the same.
func exampleID(name string) string {
	sum := sha256.Sum256([]byte(name))
	id := uuid.UUID(sum[:16])
	copy(id[:], []byte{0x01, 0x9c, 0xea, 0xb1, 0x9d, 0x40})
	id[6], id[8] = 0x70|id[6]&0x0f, 0x80|id[8]&0x3f
	return id.String()
}

// exampleOf returns an example of a schema: from its example tags or else from its type and the
// field's name.
func exampleOf(r huma.Registry, s *huma.Schema, name string) any {
	if s.Ref != "" {
		s = r.SchemaFromRef(s.Ref)
	}
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case s.Default != nil:
		return s.Default
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.OneOf) > 0:
		return exampleOf(r, s.OneOf[0], name)
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for field, schema := range s.Properties {
			object[field] = exampleOf(r, schema, field)
		}
		return object
	case huma.TypeArray:
		return []any{exampleOf(r, s.Items, strings.TrimSuffix(name, "s"))}
	case huma.TypeString:
		return exampleText(s.Format, name)
	case huma.TypeBoolean:
		return false
	case huma.TypeInteger, huma.TypeNumber:
		return exampleNumber(s, name)
	default:
		return map[string]any{}
	}
}

func exampleText(format, name string) string {
	switch format {
	case "uuid":
		return exampleID(name)
	case "date-time":
		if t, ok := exampleTimes[name]; ok {
			return t
		}
		return "2026-03-14T09:30:00Z"
	case "date":
		return "2026-03-14"
	case "uri":
		return "https://clinic.example"
	}
	if text, ok := exampleTexts[name]; ok {
		return text
	}
	return "text"
}

func exampleNumber(s *huma.Schema, name string) float64 {
	if n, ok := exampleNumbers[name]; ok {
		return n
	}
	if s.Minimum != nil && *s.Minimum > 0 {
		return *s.Minimum
	}
	return 1
}
