package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// ses is a stand-in for Amazon SES v2 that is written from its API reference, independently of the
// sandbox of the service: it verifies the signature (AWS Signature Version 4) and checks the request
// of SendEmail as SES does.
type ses struct {
	*httptest.Server
	region, keyID, secret string
	// verified are the domains that may send.
	verified []string

	mu      sync.Mutex
	sent    []sesEmail
	refused []string
}

// sesEmail is the request of SendEmail, as far as carewire uses it.
type sesEmail struct {
	FromEmailAddress     string
	ReplyToAddresses     []string
	ConfigurationSetName string
	Destination          struct{ ToAddresses, CcAddresses, BccAddresses []string }
	EmailTags            []struct{ Name, Value string }
	Content              struct {
		Simple *struct {
			Subject sesText
			Body    struct{ Text, Html *sesText }
			Headers []struct{ Name, Value string }
		}
	}
}

type sesText struct{ Data, Charset string }

func newSES(t *testing.T, verified ...string) *ses {
	t.Helper()
	s := &ses{region: "eu-central-1", keyID: "AKIATEST", secret: "secret-of-the-test", verified: verified}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/email/outbound-emails", s.sendEmail)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *ses) sendEmail(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 40<<20))
	if err != nil {
		return
	}
	if err := s.verify(r, body); err != nil {
		s.refuse(w, http.StatusForbidden, "SignatureDoesNotMatchException", err.Error())
		return
	}
	var e sesEmail
	if err := json.Unmarshal(body, &e); err != nil {
		s.refuse(w, http.StatusBadRequest, "SerializationException", err.Error())
		return
	}
	if code, problem := s.check(e); problem != "" {
		s.refuse(w, http.StatusBadRequest, code, problem)
		return
	}
	s.mu.Lock()
	s.sent = append(s.sent, e)
	id := fmt.Sprintf("0107019%09d-00000000-0000-0000-0000-%012d-000000", len(s.sent), len(s.sent))
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"MessageId": id})
}

func (s *ses) refuse(w http.ResponseWriter, status int, code, message string) {
	s.mu.Lock()
	s.refused = append(s.refused, code+": "+message)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

var (
	sesAddress = regexp.MustCompile(`^[^\s@<>]{1,64}@[A-Za-z0-9.-]{1,255}$`)
	sesTag     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	sesHeader  = regexp.MustCompile(`^[!-9;-~]{1,126}$`)
)

// check returns the code and the message of SES for an invalid request, or empty texts.
func (s *ses) check(e sesEmail) (code, problem string) {
	const badRequest = "BadRequestException"
	from := e.FromEmailAddress
	if i := strings.LastIndexByte(from, '<'); i >= 0 {
		from = strings.TrimSuffix(from[i+1:], ">")
	}
	_, domain, _ := strings.Cut(from, "@")
	to := slices.Concat(e.Destination.ToAddresses, e.Destination.CcAddresses, e.Destination.BccAddresses)
	switch {
	case !slices.Contains(s.verified, domain):
		return "MessageRejected", "Email address is not verified: " + domain
	case len(to) == 0 || len(to) > 50:
		return badRequest, "1 to 50 recipients are required"
	case e.Content.Simple == nil:
		return badRequest, "Content is missing"
	case e.Content.Simple.Subject.Data == "" || strings.ContainsAny(e.Content.Simple.Subject.Data, "\r\n"):
		return badRequest, "invalid subject"
	case e.Content.Simple.Body.Text == nil && e.Content.Simple.Body.Html == nil:
		return badRequest, "the body is missing"
	}
	for _, address := range to {
		if !sesAddress.MatchString(address) {
			return badRequest, "invalid recipient"
		}
	}
	for _, tag := range e.EmailTags {
		if !sesTag.MatchString(tag.Name) || !sesTag.MatchString(tag.Value) {
			return badRequest, "invalid tag " + tag.Name
		}
	}
	for _, h := range e.Content.Simple.Headers {
		if !sesHeader.MatchString(h.Name) || h.Value == "" || utf8.RuneCountInString(h.Value) > 995 || strings.ContainsAny(h.Value, "\r\n") {
			return badRequest, "invalid header " + h.Name
		}
	}
	return "", ""
}

var sesAuthorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/ses/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)

// verify computes the signature of the request and compares it (AWS Signature Version 4, "Create a
// signed AWS API request").
func (s *ses) verify(r *http.Request, body []byte) error {
	m := sesAuthorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return fmt.Errorf("no signature of SES v4: %q", r.Header.Get("Authorization"))
	}
	day, signed := m[2], strings.Split(m[4], ";")
	at := r.Header.Get("X-Amz-Date")
	if m[1] != s.keyID || m[3] != s.region || !strings.HasPrefix(at, day+"T") || !slices.Contains(signed, "host") {
		return fmt.Errorf("wrong credential scope %s/%s/%s", m[1], day, m[3])
	}
	var headers strings.Builder
	for _, name := range signed {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, strings.TrimSpace(value))
	}
	path := (&url.URL{Path: r.URL.Path}).EscapedPath()
	canonical := strings.Join([]string{r.Method, path, r.URL.RawQuery, headers.String(), m[4], hexSum(body)}, "\n")
	scope := strings.Join([]string{day, s.region, "ses", "aws4_request"}, "/")
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{day, s.region, "ses", "aws4_request", strings.Join([]string{"AWS4-HMAC-SHA256", at, scope, hexSum([]byte(canonical))}, "\n")} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	if hex.EncodeToString(key) != m[5] {
		return fmt.Errorf("the signature does not match the request")
	}
	return nil
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// to returns the emails that were sent to the address, in order.
func (s *ses) to(address string) []sesEmail {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []sesEmail
	for _, e := range s.sent {
		if slices.Contains(e.Destination.ToAddresses, address) {
			all = append(all, e)
		}
	}
	return all
}

// problems returns the requests that SES would have refused.
func (s *ses) problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.refused)
}
