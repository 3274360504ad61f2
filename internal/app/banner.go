package app

import (
	"fmt"
	"io"
	"text/template"
	"time"

	"carewire/internal/auth"
	"carewire/internal/clinic/intake"
)

// bannerTokenTTL is how long the printed tokens are good: a working day.
const bannerTokenTTL = 12 * time.Hour

var banner = template.Must(template.New("banner").Parse(`
carewire is serving a demo clinic. Ctrl-C stops it, the database included.

  API        {{.URL}}/api        reference: {{.URL}}/docs, to generate clients from: {{.URL}}/openapi.yaml
  sandbox    {{.URL}}/sandbox    what the stand-ins for SES and FCM received
  dashboard  {{.URL}}/admin/river    sign in at {{.URL}}/login as operator@demo.example
{{- if .PSQL}}
  auditor    {{.PSQL}}
{{- end}}

Tokens, good for {{.TTL}} (bin/carewire token --as EMAIL prints another):
{{range .Tokens}}
{{.Name}}={{.Token}}
{{- end}}

The first scenario, for a second terminal (paste the tokens above first):

# a lab report, written by the doctor
curl -si {{.URL}}/api/ehr/lab-reports -H "Authorization: Bearer $DOCTOR" -H 'Content-Type: application/json' -d '{{.Report}}'
# its id
ID=$(curl -s "{{.URL}}/api/ehr/lab-reports?limit=1" -H "Authorization: Bearer $DOCTOR" | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
# read by the patient: 200; by the receptionist and another clinic's doctor: 404, and audited
curl -si {{.URL}}/api/ehr/lab-reports/$ID -H "Authorization: Bearer $PATIENT"
curl -si {{.URL}}/api/ehr/lab-reports/$ID -H "Authorization: Bearer $RECEPTIONIST"
curl -si {{.URL}}/api/ehr/lab-reports/$ID -H "Authorization: Bearer $OTHER_DOCTOR"
# what was sent
curl -s "{{.URL}}/sandbox/messages?channel=email"
# the whole story, for the auditor: over REST, and with SQL
curl -s "{{.URL}}/api/audit?subject=lab_report/$ID" -H "Authorization: Bearer $AUDITOR"
{{- if .PSQL}}
{{.PSQL}} -v subject=lab_report/$ID -f sql/audit/record_story.sql
{{- end}}
# a reading, told by another system (docs/events.md; bin/carewire token --service device-gateway prints its token)
curl -si {{.URL}}/api/events -H "Authorization: Bearer $GATEWAY" -H 'Content-Type: application/cloudevents+json' -d '{{.Reading}}'

`))

type bannerToken struct{ Name, Token string }

// printBanner prints how to use the demo: addresses, a token for each role, and the scenario's lines.
func (s *Service) printBanner(out io.Writer) error {
	var tokens []bannerToken
	for _, p := range demoPeople {
		if p.clinic == otherClinic && p.role != "doctor" {
			continue
		}
		token, err := s.spine.issuer.Mint(p.email, auth.DemoSubject(p.email), bannerTokenTTL)
		if err != nil {
			return fmt.Errorf("mint a token: %w", err)
		}
		tokens = append(tokens, bannerToken{p.variable(), token})
	}
	gateway, err := s.spine.issuer.MintService(demoService, bannerTokenTTL)
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
