package app

import (
	"fmt"
	"io"
	"text/template"
	"time"

	"carewire/internal/auth"
	"carewire/internal/clinic/intake"
)

// bannerTokenTTL is the lifetime of the printed tokens: a working day.
const bannerTokenTTL = 12 * time.Hour

var banner = template.Must(template.New("banner").Parse(`
carewire is serving a demo clinic. Ctrl-C stops the service and its database.

API        {{.URL}}/api        reference: {{.URL}}/docs, OpenAPI: {{.URL}}/openapi.yaml
sandbox    {{.URL}}/sandbox    the messages that were sent
  dashboard  {{.URL}}/admin/river    sign in at {{.URL}}/login as operator@demo.example
{{- if .PSQL}}
  auditor    {{.PSQL}}
{{- end}}

Tokens, valid for {{.TTL}} (bin/carewire token --as EMAIL prints a new one):
{{range .Tokens}}
{{.Name}}={{.Token}}
{{- end}}

The first scenario, for a second terminal (paste the tokens above first):

# the doctor creates a lab report
curl -si {{.URL}}/api/ehr/lab-reports -H "Authorization: Bearer $DOCTOR" -H 'Content-Type: application/json' -d '{{.Report}}'
# get its ID
ID=$(curl -s "{{.URL}}/api/ehr/lab-reports?limit=1" -H "Authorization: Bearer $DOCTOR" | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
# the patient reads it: 200; the receptionist and a doctor of another clinic: 404, audited
curl -si {{.URL}}/api/ehr/lab-reports/$ID -H "Authorization: Bearer $PATIENT"
curl -si {{.URL}}/api/ehr/lab-reports/$ID -H "Authorization: Bearer $RECEPTIONIST"
curl -si {{.URL}}/api/ehr/lab-reports/$ID -H "Authorization: Bearer $OTHER_DOCTOR"
# list the emails that were sent
curl -s "{{.URL}}/sandbox/messages?channel=email"
# get the audit trail as the auditor: over REST, and with SQL
curl -s "{{.URL}}/api/audit?subject=lab_report/$ID" -H "Authorization: Bearer $AUDITOR"
{{- if .PSQL}}
{{.PSQL}} -v subject=lab_report/$ID -f sql/audit/record_story.sql
{{- end}}
# another system posts an urgent reading (docs/events.md; bin/carewire token --service device-gateway prints its token)
curl -si {{.URL}}/api/events -H "Authorization: Bearer $GATEWAY" -H 'Content-Type: application/cloudevents+json' -d '{{.Reading}}'
# the care team is notified by the rule urgent-reading: an email and a push message each, within a second in {{.URL}}/sandbox
sleep 1; curl -s "{{.URL}}/sandbox/messages?channel=email"

`))

type bannerToken struct{ Name, Token string }

// printBanner prints the demo's addresses, a token for each role, and the commands of the first
// scenario.
func (s *Service) printBanner(out io.Writer) error {
	var tokens []bannerToken
	for _, p := range demoPeople {
		if p.clinic == otherClinic && p.role != "doctor" {
			continue
		}
		token, err := s.pipeline.issuer.Mint(p.email, auth.DemoSubject(p.email), bannerTokenTTL)
		if err != nil {
			return fmt.Errorf("mint a token: %w", err)
		}
		tokens = append(tokens, bannerToken{p.variable(), token})
	}
	gateway, err := s.pipeline.issuer.MintService(demoService, bannerTokenTTL)
	if err != nil {
		return fmt.Errorf("mint a token: %w", err)
	}
	tokens = append(tokens, bannerToken{"GATEWAY", gateway})
	reading := fmt.Sprintf(`{"specversion":"1.0","id":"%s","type":"device.reading_received","source":"%s","subject":"reading/%[3]s",`+
		`"data":{"readingId":"%[3]s","deviceId":"%s","userId":"%s","clinicId":"%s","urgency":"urgent","measuredAt":"2026-03-14T09:30:00Z"}}`,
		demoID("event"), intake.Source(demoID(demoService)), demoID("reading"), demoID("monitor"), demoID("patient@demo.example"), demoID(demoClinic))
	report := fmt.Sprintf(`{"patientId":"%s","clinicId":"%s","status":"final",`+
		`"code":{"system":"http://loinc.org","code":"24323-8","display":"Comprehensive metabolic panel"},"effectiveAt":"2026-03-14T09:30:00Z",`+
		`"results":[{"code":{"system":"http://loinc.org","code":"2823-3","display":"Potassium"},"value":4.1,"unit":"mmol/L","interpretation":"N"}]}`,
		demoID("patient@demo.example"), demoID(demoClinic))
	return banner.Execute(out, map[string]any{
		"URL": s.URL, "PSQL": s.db.psql, "TTL": bannerTokenTTL.String(), "Tokens": tokens, "Report": report, "Reading": reading,
	})
}
