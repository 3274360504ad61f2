package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// peerTimeout bounds a request to a peer, which is on the same machine, or gone.
const peerTimeout = 2 * time.Second

// maxFault is the maximum size of a fault's JSON, in bytes.
const maxFault = 64 << 10

// peerMessage is a message in the API for peers, with its HTML.
type peerMessage struct {
	Message
	HTML string `json:"html"`
}

// Join makes the sandbox cooperate with its peers. peers returns the host:port of the other
// sandboxes' Providers and is called for each request. Call Join before serving the sandbox.
func (s *Sandbox) Join(peers func(ctx context.Context) []string) { s.peers = peers }

// servePeer serves this sandbox's own messages to a peer. HTML is included only when a message is
// requested by its ID.
func (s *Sandbox) servePeer(w http.ResponseWriter, r *http.Request) {
	want, field, fault := parseFilter(r.URL.Query())
	if fault != "" {
		problem(w, http.StatusBadRequest, "the request has an invalid value", field, fault)
		return
	}
	own := s.find(want)
	all := make([]peerMessage, len(own))
	for i, m := range own {
		if all[i].Message = m; want.id != 0 {
			all[i].HTML = m.HTML
		}
	}
	writeJSON(w, http.StatusOK, all)
}

// parseFilter parses a query, or returns the invalid parameter and the reason.
func parseFilter(query url.Values) (w filter, field, fault string) {
	w = filter{channel: query.Get("channel"), limit: capacity * 2}
	if w.channel != "" && !slices.Contains(channels, w.channel) {
		return w, "channel", "must be one of " + strings.Join(channels, ", ")
	}
	var err error
	if text := query.Get("limit"); text != "" {
		if w.limit, err = strconv.Atoi(text); err != nil || w.limit < 0 {
			return w, "limit", "must be a number, 0 or more"
		}
		w.limit = min(w.limit, capacity*2)
	}
	if text := query.Get("before"); text != "" {
		if w.before, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return w, "before", "must be the receivedAt of a message: an RFC 3339 date and time"
		}
	}
	if text := query.Get("id"); text != "" {
		if w.id, err = strconv.ParseInt(text, 10, 64); err != nil || w.id == 0 {
			return w, "id", "must be the id of a message"
		}
	}
	return w, "", ""
}

// query is the inverse of parseFilter.
func (w filter) query() string {
	query := url.Values{"limit": {strconv.Itoa(w.limit)}}
	if w.channel != "" {
		query.Set("channel", w.channel)
	}
	if !w.before.IsZero() {
		query.Set("before", w.before.Format(time.RFC3339Nano))
	}
	if w.id != 0 {
		query.Set("id", strconv.FormatInt(w.id, 10))
	}
	return query.Encode()
}

// allMessages returns the selected messages of this sandbox and of the peers that respond, newest
// first. It requests no more than the limit from each peer.
func (s *Sandbox) allMessages(ctx context.Context, want filter) []Message {
	var mu sync.Mutex
	all := s.find(want)
	if want.limit == 0 || (want.id != 0 && len(all) > 0) {
		return all
	}
	s.askPeers(ctx, http.MethodGet, "/sandbox/messages?"+want.query(), nil, func(body io.Reader) {
		var theirs []peerMessage
		if json.NewDecoder(body).Decode(&theirs) != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, m := range theirs {
			m.Message.HTML = m.HTML
			all = append(all, m.Message)
		}
	})
	slices.SortStableFunc(all, func(a, b Message) int { return b.ReceivedAt.Compare(a.ReceivedAt) })
	return all[:min(want.limit, len(all))]
}

// everywhere returns a handler that sends the request to all peers before it handles it here. An
// invalid request is invalid for the peers too.
func (s *Sandbox) everywhere(here http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFault))
		if err != nil {
			problem(w, http.StatusBadRequest, "invalid fault", "", fmt.Sprintf("the body must be one JSON object of at most %d bytes", maxFault))
			return
		}
		// Peers first, so that the change is complete when the response arrives.
		s.askPeers(r.Context(), r.Method, r.URL.Path, body, func(io.Reader) {})
		r.Body = io.NopCloser(bytes.NewReader(body))
		here(w, r)
	}
}

// askPeers sends the request to all peers concurrently and passes the body of each successful
// response to read. It ignores a peer that does not respond: it is stopping.
func (s *Sandbox) askPeers(ctx context.Context, method, path string, body []byte, read func(body io.Reader)) {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	var asked sync.WaitGroup
	for _, peer := range s.peers(ctx) {
		asked.Go(func() {
			req, err := http.NewRequestWithContext(ctx, method, "http://"+peer+path, bytes.NewReader(body)) //nolint:gosec // Peers come from Join.
			if err != nil {
				return
			}
			req.Close = true
			res, err := http.DefaultClient.Do(req) //nolint:gosec // as above
			if err != nil {
				return
			}
			defer func() { _ = res.Body.Close() }()
			if res.StatusCode < http.StatusMultipleChoices {
				read(res.Body)
			}
		})
	}
	asked.Wait()
}
