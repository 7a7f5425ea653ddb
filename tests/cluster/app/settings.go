package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
)

// Settings say how the program behaves. All can be given at start (environment APP_READY_AFTER=20, argument
// ready_after=20, the latter wins) and changed while it runs (PUT /settings with a part of the object).
type Settings struct {
	// Whether /ready says 200, and from how many seconds after the start; until then /health says 503, too.
	Ready      bool    `json:"ready"`
	ReadyAfter float64 `json:"ready_after"`
	// Whether /live says 200, and until how many seconds after the start (0: for ever).
	Live      bool    `json:"live"`
	LiveUntil float64 `json:"live_until"`
	// What /health reports: "ok" or any other word. One that is not "ok" makes the whole 503.
	Checks map[string]string `json:"checks"`
	// How the service answers: time per request in milliseconds, share of 500s from 0 to 1.
	LatencyMs float64 `json:"latency_ms"`
	ErrorRate float64 `json:"error_rate"`
	// Requests a second that the program sends itself, so that /metrics moves without a client.
	Requests float64 `json:"requests"`
	// Lines of an ordinary log, a second.
	LogRate float64 `json:"log_rate"`
	// A burst of numbered lines of one length, see Burst.
	Burst Burst `json:"burst"`
	// Memory to hold, in MiB, taken at once.
	Memory int `json:"memory"`
	// Seconds that the program goes on after SIGTERM; below 0 it does not end.
	Shutdown float64 `json:"shutdown"`
	// The program ends with this code, that many seconds after the start or the change; below 0: it does not.
	Exit      int     `json:"exit"`
	ExitAfter float64 `json:"exit_after"`
	// Where it listens; what is set after the start changes nothing.
	Port int `json:"port"`
}

// Burst is a stretch of log whose lines can be counted: each has the same length and its own number.
type Burst struct {
	Lines int `json:"lines"`
	// Bytes of each line with its newline.
	Bytes int `json:"bytes"`
	// Lines a second; 0: as fast as possible.
	Rate float64 `json:"rate"`
}

func healthy() Settings {
	return Settings{
		Ready: true, Live: true, LatencyMs: 12, Requests: 5, LogRate: 5, Exit: -1, Port: 8080,
		Checks: map[string]string{"db": "ok", "redis": "ok"},
	}
}

// What the image's tag says the program does: the words that simulated nodes know, and some that need real containers.
func (s *Settings) obey(tag string) {
	has := func(word string) bool { return strings.Contains(tag, word) }
	switch {
	case has("crash"):
		s.Exit = 1
	case has("exit0"):
		s.Exit = 0
	case has("notready"):
		s.Ready = false
	case has("slow"):
		s.ReadyAfter = 20
	case has("notlive"):
		s.LiveUntil = 5
	case has("oom"):
		s.Memory = 256
	case has("sleeper"):
		s.Shutdown = -1
	case has("errors"):
		s.ErrorRate = 0.3
	case has("latency"):
		s.LatencyMs = 900
	}
}

// NAME=VALUE pairs as the object that PUT /settings takes; what is not JSON is a string.
func assignments(pairs []string) ([]byte, error) {
	object := map[string]json.RawMessage{}
	for _, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("%q is not NAME=VALUE", pair)
		}
		if !json.Valid([]byte(value)) {
			value = fmt.Sprintf("%q", value)
		}
		object[name] = json.RawMessage(value)
	}
	return json.Marshal(object)
}

func fromEnvironment() []string {
	var pairs []string
	for _, variable := range os.Environ() {
		if rest, ours := strings.CutPrefix(variable, "APP_"); ours {
			name, value, _ := strings.Cut(rest, "=")
			pairs = append(pairs, strings.ToLower(name)+"="+value)
		}
	}
	return pairs
}

// Held is the settings as all parts of the program see them.
type Held struct {
	lock    sync.Mutex
	now     Settings
	version string
}

func (h *Held) get() Settings {
	h.lock.Lock()
	defer h.lock.Unlock()
	return h.now
}

// Changes what the object names and leaves the rest; an unknown name changes nothing.
func (h *Held) change(object []byte) (Settings, error) {
	h.lock.Lock()
	defer h.lock.Unlock()
	next := h.now
	next.Checks = maps.Clone(h.now.Checks)
	decoder := json.NewDecoder(strings.NewReader(string(object)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&next); err != nil {
		return h.now, err
	}
	if next.Burst.Lines > 0 && next.Burst.Bytes < shortestBurstLine {
		return h.now, errors.New("burst.bytes is too small for a line's number")
	}
	h.now = next
	return next, nil
}
