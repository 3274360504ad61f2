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

// peerTimeout bounds one question to a peer: it is on the same machine, or gone.
const peerTimeout = 2 * time.Second

// maxFault is the longest description of a fault, in bytes.
const maxFault = 64 << 10

// peerMessage is a message as peers tell of it: with its HTML.
type peerMessage struct {
	Message
	HTML string `json:"html"`
}

// Join lets the sandbox work together with its peers: the host:port where each other's Providers is served, asked for
// whenever it matters. Call it before the sandbox is served.
func (s *Sandbox) Join(peers func(ctx context.Context) []string) { s.peers = peers }

// servePeer gives this sandbox's own messages to a peer. HTML comes with the one message that is asked for by its id.
func (s *Sandbox) servePeer(w http.ResponseWriter, r *http.Request) {
	want, field, fault := wantedOf(r.URL.Query())
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

// wantedOf reads what is asked for, or names the parameter at fault and says what is wrong with it.
func wantedOf(query url.Values) (w wanted, field, fault string) {
	w = wanted{channel: query.Get("channel"), limit: capacity * 2}
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
			return w, "before", "must be the receivedAt of a message: a date and time as RFC 3339 has it"
		}
	}
	if text := query.Get("id"); text != "" {
		if w.id, err = strconv.ParseInt(text, 10, 64); err != nil || w.id == 0 {
			return w, "id", "must be the id of a message"
		}
	}
	return w, "", ""
}

// query is what wantedOf reads.
func (w wanted) query() string {
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

// allMessages gives what is wanted of what was received here and by the peers that answer, newest first. No more than that is
// asked of any peer.
func (s *Sandbox) allMessages(ctx context.Context, want wanted) []Message {
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

// everywhere does at the peers, too, what is asked of this sandbox. What is wrong with the request is wrong there as well.
func (s *Sandbox) everywhere(here http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFault))
		if err != nil {
			problem(w, http.StatusBadRequest, "the request cannot be read as a fault", "", fmt.Sprintf("the body must be one JSON object of at most %d bytes", maxFault))
			return
		}
		// The peers first: when the answer is there, it is done.
		s.askPeers(r.Context(), r.Method, r.URL.Path, body, func(io.Reader) {})
		r.Body = io.NopCloser(bytes.NewReader(body))
		here(w, r)
	}
}

// askPeers makes the request to all peers at once and gives each answer of success to read. A peer that does not answer
// is left out: it is ending.
func (s *Sandbox) askPeers(ctx context.Context, method, path string, body []byte, read func(body io.Reader)) {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	var asked sync.WaitGroup
	for _, peer := range s.peers(ctx) {
		asked.Go(func() {
			req, err := http.NewRequestWithContext(ctx, method, "http://"+peer+path, bytes.NewReader(body)) //nolint:gosec // A peer is an address that Join was given.
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
