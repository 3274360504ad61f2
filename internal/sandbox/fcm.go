package sandbox

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// fcmPayloadLimit is FCM's limit of the payload, in bytes.
	fcmPayloadLimit = 4096
	tokenTTL        = time.Hour
	accountEmail    = "sandbox@carewire.example"
)

// fcmRequest is the supported part of messages:send.
type fcmRequest struct {
	Message struct {
		Token        string
		Notification struct{ Title, Body, Image string }
		Data         map[string]string
		Android      struct{ Priority string }
		APNS         struct {
			Payload struct {
				APS struct {
					Level string `json:"interruption-level"`
				}
			}
		}
	}
}

// fcmActions returns the buttons in a message's data, as the clinic's app reads them.
func fcmActions(data map[string]string) (all []Action) {
	if json.Unmarshal([]byte(data["actions"]), &all) != nil {
		return nil
	}
	return all
}

// fcmSend implements POST /v1/projects/{project}/messages:send.
// https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send
func (s *Sandbox) fcmSend(w http.ResponseWriter, r *http.Request) {
	fail := func(status int, code string, f *Fault) {
		if code == "" {
			code = fcmByStatus[status]
		}
		if status == 0 {
			status = fcmErrors[code].status
		}
		retryAfter(w, f)
		fcmError(w, status, code)
	}
	if !s.authorized(r) {
		fcmError(w, http.StatusUnauthorized, "")
		return
	}
	var req fcmRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&req); err != nil || req.Message.Token == "" {
		fail(http.StatusBadRequest, "INVALID_ARGUMENT", nil)
		return
	}
	in := req.Message
	size := len(in.Notification.Title) + len(in.Notification.Body)
	for k, v := range in.Data {
		size += len(k) + len(v)
	}
	if size > fcmPayloadLimit {
		fail(http.StatusBadRequest, "INVALID_ARGUMENT", nil)
		return
	}
	id, ok := s.receive(r, Message{
		Provider: providerFCM, Channel: "push", To: in.Token, Title: in.Notification.Title, Body: in.Notification.Body,
		DeliveryID: in.Data["deliveryId"], Link: in.Data["link"], Priority: in.Android.Priority,
		Image: in.Notification.Image, Actions: fcmActions(in.Data), Interruption: in.APNS.Payload.APS.Level,
	}, fail)
	if !ok {
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"name": fmt.Sprintf("projects/%s/messages/0:%d", r.PathValue("project"), id)})
}

func fcmError(w http.ResponseWriter, status int, code string) {
	grpc := fcmErrors[code].grpc
	if grpc == "" {
		grpc = fcmErrors[fcmByStatus[status]].grpc
	}
	body := map[string]any{"code": status, "message": "A fault of the sandbox rejected this request.", "status": grpc}
	if code != "" {
		body["details"] = []any{map[string]string{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}}
	}
	writeJSON(w, status, map[string]any{"error": body})
}

// authorized reports whether the request has a token that the token endpoint issued.
func (s *Sandbox) authorized(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mu.Lock()
	defer s.mu.Unlock()
	return ok && time.Now().Before(s.tokens[token])
}

// ServiceAccount returns credentials in the form of a Google service account's key file, valid for
// the sandboxes of this process only. providersURL is the URL of Providers, without a trailing slash.
func (s *Sandbox) ServiceAccount(project, providersURL string) ([]byte, error) {
	key, err := signingKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the sandbox's key: %w", err)
	}
	return json.Marshal(map[string]string{
		"type": "service_account", "project_id": project, "client_email": accountEmail, "client_id": "1", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   providersURL + "/token",
	})
}

// signingKey returns the key of all sandboxes in this process. It is generated once, because that
// takes 100 ms of CPU time.
var signingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generate the sandbox's key: %w", err)
	}
	return key, nil
})

// oauthToken implements the OAuth 2.0 token endpoint for the JWT bearer grant (RFC 7523).
func (s *Sandbox) oauthToken(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if r.FormValue("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	if err := s.verify(r.FormValue("assertion")); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": err.Error()})
		return
	}
	token := "sandbox." + rand.Text()
	s.mu.Lock()
	for old, expires := range s.tokens {
		if time.Now().After(expires) {
			delete(s.tokens, old)
		}
	}
	s.tokens[token] = time.Now().Add(tokenTTL)
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(tokenTTL.Seconds())})
}

// verify checks an RS256 assertion against the sandboxes' key.
func (s *Sandbox) verify(assertion string) error {
	key, err := signingKey()
	if err != nil {
		return err
	}
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return errors.New("the assertion is not a JWT")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return errors.New("the assertion's signature is not base64url")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature) != nil {
		return errors.New("the assertion was not signed with this sandbox's key")
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return errors.New("the assertion's claims are not base64url")
	}
	var c struct {
		Iss string
		Exp int64
	}
	if json.Unmarshal(claims, &c) != nil || c.Iss != accountEmail || time.Now().After(time.Unix(c.Exp, 0)) {
		return errors.New("the assertion is expired or of another account")
	}
	return nil
}
