package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

const clinicFile = "../../internal/fhirimport/testdata/clinic.json"

func TestImport_RunsNextToAServiceAndNotifiesNobody(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t))
	out := s.ok("import", "fhir", "--source", "harbour", clinicFile)
	require.Contains(t, out, "source harbour: 19 imported, 0 updated, 0 unchanged, 3 skipped, 0 refused")
	require.Regexp(t, `CarePlan +skipped +1 +carewire has no care plans`, out)

	var sum struct{ Unchanged, Skipped int }
	require.NoError(t, json.Unmarshal([]byte(s.ok("import", "fhir", "--source", "harbour", "--json", clinicFile)), &sum))
	require.Equal(t, 19, sum.Unchanged)

	// A new write is planned after everything imported before it, so notifications of the imported
	// data would have been planned by now.
	_, err := s.writeReport()
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, body := s.get("operator@demo.example", "/sandbox/messages")
		return strings.Contains(body, "patient@demo.example")
	}, 20*time.Second, 50*time.Millisecond)
	_, body := s.get("operator@demo.example", "/sandbox/messages")
	require.NotContains(t, body, "import.invalid")
	require.NotContains(t, body, "harbour.example")

	var trail []struct{ ClientAgent string }
	require.NoError(t, json.Unmarshal([]byte(s.ok("audit", "--actor", "system:import", "--json")), &trail))
	require.NotEmpty(t, trail)
	for _, e := range trail {
		require.Equal(t, "cli", e.ClientAgent)
	}
}

func TestImport_ExitsWithStatus1ForRefusedResourcesOnlyIfStrict(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t))
	cmd := exec.Command(binary, "import", "fhir", "--source", "line", "--strict", "-")
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(`{"resourceType": "Patient", "id": "p", "name": "x"}`)
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "refused: -[0] Patient/p: Patient.name: ")
	require.Contains(t, string(out), "carewire: 1 resources were refused")
	stdout, stderr, err := s.run("import", "fhir", "--list", "../../internal/fhirimport/testdata/faulty.ndjson")
	require.NoError(t, err)
	require.Contains(t, stdout, "source testdata: 4 imported")
	require.Contains(t, stderr, "faulty.ndjson[4] resource: invalid JSON")
	require.NotContains(t, stdout+stderr, "secret")

	require.Contains(t, s.exits(2, "import", "fhir"), "want files to import")
	require.Contains(t, s.refused("import", "fhir", "no-such.json"), "no-such.json")
	require.Contains(t, s.exits(2, "import", "fhir", "--clinic", "x", clinicFile), "--clinic: ")
	require.Contains(t, s.refused("import", "fhir", "--time-zone", "Mars", clinicFile), "--time-zone: ")
	require.Contains(t, s.refused("import", "fhir", "--source", strings.Repeat("s", 101), clinicFile), "--source: ")
}

// Imported practitioners become doctors of the clinic. They are on no care team, so that nobody more
// is notified of later records.
func TestImport_OfPractitionersNotifiesNobodyMoreOfLaterRecords(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t))
	var me struct {
		Memberships []struct {
			ClinicID string `json:"clinicId"`
		}
	}
	_, body := s.me("doctor@demo.example")
	require.NoError(t, json.Unmarshal([]byte(body), &me))
	content := `{"resourceType":"Patient","id":"p","name":[{"family":"Vogel"}]}`
	for _, id := range []string{"a", "b", "c"} {
		content += `
{"resourceType":"Practitioner","id":"` + id + `","name":[{"family":"` + id + `"}],"telecom":[{"system":"email","value":"` + id + `@harbour.example"}]}
{"resourceType":"Encounter","id":"e` + id + `","status":"finished","subject":{"reference":"Patient/p"},"participant":[{"individual":{"reference":"Practitioner/` + id + `"}}],"period":{"start":"2020-01-02T10:00:00Z"}}`
	}
	file := filepath.Join(t.TempDir(), "a.ndjson")
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	require.Contains(t, s.ok("import", "fhir", "--source", "harbour", "--clinic", me.Memberships[0].ClinicID, "--doctor", "doctor@demo.example", file), "7 imported")
	_, users := s.get("receptionist@demo.example", "/api/users?role=doctor")
	require.Equal(t, 4, strings.Count(users, `"role":"doctor"`), "they are doctors of the clinic")

	_, err := s.writeReport()
	require.NoError(t, err)
	var planned []struct{ ID string }
	list := func() bool {
		planned = nil
		require.NoError(t, json.Unmarshal([]byte(s.ok("deliveries", "list", "--limit", "1000", "--json")), &planned))
		return len(planned) >= 6
	}
	require.Eventually(t, list, 20*time.Second, 50*time.Millisecond)
	require.Len(t, planned, 6, "an email and a push to the patient, the doctor and the care team, as without the import")
	require.Contains(t, s.refused("import", "fhir", "--clinic", me.Memberships[0].ClinicID, "--doctor", "nobody@demo.example", file), "--doctor: ")
}

func TestImport_ReadsStandardInputAndDirectoriesAndReportsFilesThatItCannotRead(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t))
	people := `{"resourceType": "Practitioner", "id": "d"}` + "\n" + `{"resourceType": "Patient", "id": "p"}` + "\n"
	cmd := exec.Command(binary, "import", "fhir", "--source", "pipe", "--json", "-")
	cmd.Env, cmd.Stdin = s.env, strings.NewReader(people)
	out, err := cmd.Output()
	require.NoError(t, err)
	var sum struct{ Imported, UnreadFiles int }
	require.NoError(t, json.Unmarshal(out, &sum))
	require.Equal(t, 2, sum.Imported)

	dir := filepath.Join(t.TempDir(), "clinic-b")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "people"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "people", "all.NDJSON"), []byte("\ufeff"+people), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "broken.json"), []byte("<xml/>"), 0o600))
	stdout, stderr, err := s.run("import", "fhir", dir, filepath.Join(dir, "people", "all.NDJSON"))
	require.Error(t, err)
	require.Contains(t, stdout, "source clinic-b: 2 imported, 0 updated, 0 unchanged, 0 skipped, 0 refused, 1 files not read")
	require.Contains(t, stderr, "broken.json: is XML; export it as JSON or NDJSON instead")
	require.Contains(t, stderr, "1 of the files could not be read")
	require.Contains(t, s.refused("import", "fhir", "--fail-fast", dir), "broken.json: is XML")
	require.Contains(t, s.refused("import", "fhir", "--phone-region", "Mars", dir), "--phone-region: ")
}
