package main

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carewire/internal/postgres/postgrestest"
)

func TestAudit_ListsTheTrailAndRecordsThatItWasRead(t *testing.T) {
	t.Parallel()
	s := serve(t, postgrestest.DataDir(t))
	id, err := s.writeReport()
	require.NoError(t, err)
	status, _, err := s.do("doctor@demo.example", http.MethodGet, "/api/ehr/lab-reports/"+id, "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)

	type entry struct {
		Type, ActorID, ClientAddress, ClientAgent string
		PersonID                                  *string
		Time                                      time.Time
	}
	var story []entry
	list := func() {
		story = nil
		require.NoError(t, json.Unmarshal([]byte(s.ok("audit", "--subject", "lab_report/"+id, "--json")), &story))
	}
	require.Eventually(t, func() bool {
		list()
		return len(story) > 1 && slices.ContainsFunc(story, func(e entry) bool { return e.Type == "record.read" })
	}, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, "ehr.lab_report.created", story[0].Type)
	require.Equal(t, "127.0.0.1", story[0].ClientAddress)
	require.NotEmpty(t, story[0].ClientAgent)

	doctor := story[0].ActorID
	table := s.ok("audit", "--actor", doctor, "--type", "ehr.**")
	require.Regexp(t, `^POSITION +TIME +TYPE +SUBJECT +DETAIL`, table)
	for line := range strings.Lines(table) {
		require.LessOrEqual(t, len(line), 121, line)
	}
	rows, err := csv.NewReader(strings.NewReader(s.ok("audit", "--person", *story[0].PersonID, "--type", "ehr.*.*", "--csv", "--names"))).ReadAll()
	require.NoError(t, err)
	require.Contains(t, rows[0], "actor_name")
	require.NotEmpty(t, rows[1][len(rows[1])-1], "the person's name")
	require.Contains(t, s.ok("audit", "--type", "ehr.**", "--wide"), "ADDRESS")

	require.Eventually(t, func() bool {
		var reads []entry
		require.NoError(t, json.Unmarshal([]byte(s.ok("audit", "--type", "audit.read", "--actor", "system:cli", "--json")), &reads))
		return len(reads) > 3 && reads[0].ClientAgent == "cli"
	}, 20*time.Second, 50*time.Millisecond)

	require.Contains(t, s.exits(2, "audit"), "at least one of --subject")
	require.Contains(t, s.exits(2, "audit", "--person", "Winter"), "--person: invalid ID")
	require.Contains(t, s.refused("audit", "--type", "nothing.known"), "type: matches no event type")
	require.Contains(t, s.exits(2, "audit", "--type", "user.*", "--limit", "0"), "--limit must be")
	require.Contains(t, s.ok("audit", "--help"), "--csv")
}
