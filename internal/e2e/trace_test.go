package e2e_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
)

// otlpReceiver is a collector that stores the traces it receives.
type otlpReceiver struct {
	*httptest.Server
	mu    sync.Mutex
	spans []*spans.Span
	texts []string
}

func newOTLPReceiver(t *testing.T) *otlpReceiver {
	t.Helper()
	o := &otlpReceiver{}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			http.Error(w, "not OTLP", http.StatusBadRequest)
			return
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		_ = protorange.Range(request.ProtoReflect(), func(p protopath.Values) error {
			if text, ok := p.Index(-1).Value.Interface().(string); ok {
				o.texts = append(o.texts, text)
			}
			return nil
		})
		for _, resource := range request.ResourceSpans {
			for _, s := range resource.ScopeSpans {
				o.spans = append(o.spans, s.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(o.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", o.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	return o
}

// ofTrace returns the spans of one trace, by name.
func (o *otlpReceiver) ofTrace(id string) map[string][]*spans.Span {
	o.mu.Lock()
	defer o.mu.Unlock()
	named := map[string][]*spans.Span{}
	for _, s := range o.spans {
		if hex.EncodeToString(s.TraceId) == id {
			named[s.Name] = append(named[s.Name], s)
		}
	}
	return named
}

// said returns every text that was received: names, attributes, errors.
func (o *otlpReceiver) said() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.texts)
}

func attribute(s *spans.Span, key string) any {
	for _, a := range s.Attributes {
		if a.Key != key {
			continue
		}
		if n, ok := a.Value.Value.(*common.AnyValue_IntValue); ok {
			return n.IntValue
		}
		return a.Value.GetStringValue()
	}
	return nil
}

// These tests do not run in parallel, because they set environment variables.

func TestTrace_SpansFromTheRequestToTheProviders(t *testing.T) {
	const traceID, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	o := newOTLPReceiver(t)
	c := openClinic(t)
	a := c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", c.report(), "traceparent", "00-"+traceID+"-"+caller+"-01")
	require.Equal(t, http.StatusCreated, a.status, "%s", a.body)
	id := a.decode(t)["id"].(string)
	c.eventually("all is sent", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.sent")) == 6 })
	c.eventually("all notifications are sent", func() bool {
		named := o.ofTrace(traceID)
		return len(named["deliver email"])+len(named["deliver push"]) == 6 && len(named["sequence notification.sent"]) == 6
	})
	trace := o.ofTrace(traceID)

	const request, event = "POST /api/ehr/lab-reports", "ehr.lab_report.created"
	require.Len(t, trace[request], 1)
	root := trace[request][0]
	require.Equal(t, caller, hex.EncodeToString(root.ParentSpanId), "the request continues its caller's trace")
	require.Equal(t, spans.Span_SPAN_KIND_SERVER, root.Kind)
	require.Equal(t, int64(http.StatusCreated), attribute(root, "http.response.status_code"))
	below := func(parent *spans.Span, name string, n int) []*spans.Span {
		t.Helper()
		found := slices.DeleteFunc(slices.Clone(trace[name]), func(s *spans.Span) bool { return string(s.ParentSpanId) != string(parent.SpanId) })
		require.Len(t, found, n, "%s below %s", name, parent.Name)
		return found
	}
	below(root, "outbox append", 2) // The other is user.signed_in, at the first use of the token.
	sequenced := below(root, "sequence "+event, 1)[0]
	planned := below(root, "plan "+event, 1)[0]
	require.Equal(t, int64(6), attribute(planned, "carewire.deliveries.queued"))
	require.Equal(t, attribute(sequenced, "carewire.position"), attribute(planned, "carewire.position"))
	require.LessOrEqual(t, sequenced.StartTimeUnixNano, planned.StartTimeUnixNano)
	for channel, provider := range map[string]string{"email": "ses", "push": "fcm"} {
		for _, d := range below(root, "deliver "+channel, 3) {
			require.Equal(t, "sent", attribute(d, "carewire.outcome"))
			call := below(d, "send "+channel, 1)[0]
			require.Equal(t, spans.Span_SPAN_KIND_CLIENT, call.Kind)
			require.Equal(t, provider, attribute(call, "carewire.provider"))
			require.Equal(t, "accepted", attribute(call, "carewire.outcome"))
			require.LessOrEqual(t, planned.StartTimeUnixNano, d.StartTimeUnixNano)
		}
	}
	require.NotEmpty(t, trace["DeliverySettle"], "statements have their queries' names: %s", names(trace))
	require.Subset(t, o.said(), []string{"sequence batch", "service.name", "carewire"})
	c.requireNoPHI(o.said())
}

func names(trace map[string][]*spans.Span) string {
	var all []string
	for name := range trace {
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// requireNoPHI checks that no data of this clinic's people is in the traces: identity, addresses,
// findings.
func (c *clinic) requireNoPHI(texts []string) {
	c.t.Helper()
	secret := []string{"@", "24323-8", "2823-3", "loinc", "Potassium", "metabolic", "mmol", "eyJ", c.token(doctor)}
	for _, channel := range []string{"email", "push"} {
		for _, m := range c.sandboxMessages(channel, "") {
			secret = append(secret, m["to"].(string), m["body"].(string))
		}
	}
	require.Greater(c.t, len(secret), 8)
	all := strings.ToLower(strings.Join(texts, "\n"))
	for _, s := range secret {
		require.NotContains(c.t, all, strings.ToLower(s))
	}
}

func TestTrace_OfARejectedRequestHasNoneOfItsData(t *testing.T) {
	o := newOTLPReceiver(t)
	c := openClinic(t)
	body := c.report()
	body["patientId"] = "Jane Roe, jane.roe@example.org"
	require.Equal(t, http.StatusUnprocessableEntity, c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", body).status)
	a := c.do(doctor, http.MethodGet, "/api/ehr/lab-reports?q=jane.roe@example.org", nil)
	require.GreaterOrEqual(t, a.status, 400)
	c.do(doctor, http.MethodGet, "/jane.roe@example.org", nil)
	// An error of PostgreSQL can quote the row.
	_, err := c.db.Owner.Exec(t.Context(), `
		CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			RAISE EXCEPTION 'no: %', NEW USING ERRCODE = 'check_violation';
		END $$;
		CREATE TRIGGER refuse BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION refuse()`)
	require.NoError(t, err)
	require.GreaterOrEqual(t, c.do(doctor, http.MethodPost, "/api/ehr/lab-reports", c.report()).status, 400)
	c.eventually("exported", func() bool {
		return slices.Contains(o.said(), "GET unmatched") && slices.Contains(o.said(), "23514")
	})
	require.NotContains(t, strings.Join(o.said(), "\n"), "jane")
	c.requireNoPHI(o.said())
}

func TestTrace_OfAnUnsampledRequestIsNotExported(t *testing.T) {
	o := newOTLPReceiver(t)
	t.Setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
	c := openClinic(t)
	id := c.writeReport()
	c.eventually("all is sent", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.sent")) == 6 })
	c.service.Stop()
	require.Empty(t, o.said())
}

func TestTrace_AnUnresponsiveCollectorBlocksNothing(t *testing.T) {
	o := newOTLPReceiver(t)
	o.Close()
	c := openClinic(t)
	id := c.writeReport()
	c.eventually("all is sent", func() bool { return len(ofType(c.story("lab_report/"+id), "notification.sent")) == 6 })
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		c.service.Stop()
	}()
	select {
	case <-stopped:
	case <-time.After(patience):
		require.Fail(t, "the service did not stop")
	}
}
