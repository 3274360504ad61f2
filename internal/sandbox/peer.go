package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
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

// servePeer gives this sandbox's own messages to a peer.
func (s *Sandbox) servePeer(w http.ResponseWriter, r *http.Request) {
	own := s.Messages(r.URL.Query().Get("channel"))
	all := make([]peerMessage, len(own))
	for i, m := range own {
		all[i] = peerMessage{m, m.HTML}
	}
	writeJSON(w, http.StatusOK, all)
}

// allMessages gives what was received here and by the peers that answer, newest first.
func (s *Sandbox) allMessages(ctx context.Context, channel string) []Message {
	var mu sync.Mutex
	all := s.Messages(channel)
	s.askPeers(ctx, http.MethodGet, "/sandbox/messages?channel="+channel, nil, func(body io.Reader) {
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
	return all
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
