package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// App is one running container.
type App struct {
	held    Held
	metrics Metrics
	log     Log
	started time.Time
	// Memory that is held on purpose.
	ballast []byte
}

func run(args []string) error {
	app := &App{started: time.Now()}
	app.metrics.byCode = map[int]int{}
	app.log.out = os.Stdout
	app.held.version = os.Getenv("VERSION")
	app.held.now = healthy()
	app.held.now.obey(app.held.version)
	for _, pairs := range [][]string{fromEnvironment(), args} {
		object, err := assignments(pairs)
		if err == nil {
			_, err = app.held.change(object)
		}
		if err != nil {
			return err
		}
	}
	app.log.say("INFO starting %s", app.held.version)
	app.apply(app.held.get())
	go app.log.ramble(&app.held)
	go app.visitItself()
	go app.endOnRequest()
	return http.ListenAndServe(fmt.Sprintf(":%d", app.held.get().Port), app.routes())
}

func (a *App) routes() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /health", a.health)
	routes.HandleFunc("GET /ready", a.probe(a.ready))
	routes.HandleFunc("GET /live", a.probe(a.live))
	routes.HandleFunc("GET /metrics", func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		a.metrics.write(out, a.held.version, a.started, a.log.written.Load())
	})
	routes.HandleFunc("GET /settings", func(out http.ResponseWriter, _ *http.Request) { answer(out, 200, a.held.get()) })
	routes.HandleFunc("PUT /settings", a.set)
	// The body goes to the log byte by byte; without a body, what a log reader must survive.
	routes.HandleFunc("POST /log", func(_ http.ResponseWriter, asked *http.Request) {
		body, _ := io.ReadAll(asked.Body)
		if len(body) == 0 {
			body = hostile()
		}
		a.log.raw(body)
	})
	routes.HandleFunc("GET /", func(out http.ResponseWriter, _ *http.Request) {
		code := a.serveOne()
		answer(out, code, map[string]any{"version": a.held.version, "code": code})
	})
	return routes
}

// Keeps one request's time, decides its fate, counts it.
func (a *App) serveOne() int {
	s, began := a.held.get(), time.Now()
	time.Sleep(time.Duration(s.LatencyMs * float64(time.Millisecond)))
	code := http.StatusOK
	if rand.Float64() < s.ErrorRate {
		code = http.StatusInternalServerError
	}
	a.metrics.saw(code, time.Since(began))
	return code
}

func (a *App) visitItself() {
	for {
		rate := a.held.get().Requests
		if rate <= 0 {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		time.Sleep(time.Duration(float64(time.Second) / rate))
		go a.serveOne()
	}
}

func (a *App) health(out http.ResponseWriter, _ *http.Request) {
	type check struct {
		Status  string `json:"status"`
		Latency string `json:"latency,omitempty"`
		Message string `json:"message,omitempty"`
	}
	status, code, checks := "ok", http.StatusOK, map[string]check{}
	s := a.held.get()
	if !a.ready(s) {
		// Some ask this path whether a pod may have traffic.
		s.Checks = maps.Clone(s.Checks)
		s.Checks["ready"] = "not ready"
	}
	for name, word := range s.Checks {
		if word == "ok" {
			checks[name] = check{Status: word, Latency: "5ms"}
			continue
		}
		checks[name] = check{Status: "error", Message: word}
		status, code = "error", http.StatusServiceUnavailable
	}
	answer(out, code, map[string]any{"status": status, "version": a.held.version, "checks": checks})
}

func (a *App) ready(s Settings) bool {
	return s.Ready && time.Since(a.started).Seconds() >= s.ReadyAfter
}

func (a *App) live(s Settings) bool {
	return s.Live && (s.LiveUntil == 0 || time.Since(a.started).Seconds() < s.LiveUntil)
}

func (a *App) probe(well func(Settings) bool) http.HandlerFunc {
	return func(out http.ResponseWriter, _ *http.Request) {
		if well(a.held.get()) {
			answer(out, http.StatusOK, "ok")
		} else {
			answer(out, http.StatusServiceUnavailable, "no")
		}
	}
}

func (a *App) set(out http.ResponseWriter, asked *http.Request) {
	body, err := io.ReadAll(asked.Body)
	before := a.held.get()
	var after Settings
	if err == nil {
		after, err = a.held.change(body)
	}
	if err != nil {
		answer(out, http.StatusBadRequest, err.Error())
		return
	}
	if after.Burst == before.Burst {
		// A burst is asked for once, and not again with each later change.
		after.Burst = Burst{}
	}
	answer(out, http.StatusOK, after)
	a.apply(after)
}

// Does what a setting asks for once.
func (a *App) apply(s Settings) {
	if s.Burst.Lines > 0 {
		go func() {
			a.log.burst(s.Burst)
			a.held.lock.Lock()
			a.held.now.Burst = Burst{}
			a.held.lock.Unlock()
		}()
	}
	if wanted := s.Memory << 20; wanted != len(a.ballast) {
		a.ballast = make([]byte, wanted)
		for i := 0; i < wanted; i += 4096 {
			a.ballast[i] = 1
		}
	}
	if s.Exit >= 0 && s.ExitAfter == 0 {
		a.end(s.Exit)
	}
	if s.Exit >= 0 {
		time.AfterFunc(time.Duration(s.ExitAfter*float64(time.Second)), func() { a.end(s.Exit) })
	}
}

func (a *App) end(code int) {
	if code != 0 {
		a.log.say("FATAL cannot reach db: connection refused")
	}
	os.Exit(code)
}

func (a *App) endOnRequest() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	for range asked {
		wait := a.held.get().Shutdown
		a.log.say("INFO asked to end, %gs", wait)
		if wait >= 0 {
			time.Sleep(time.Duration(wait * float64(time.Second)))
			os.Exit(0)
		}
	}
}

func answer(out http.ResponseWriter, code int, body any) {
	out.Header().Set("Content-Type", "application/json")
	out.WriteHeader(code)
	if err := json.NewEncoder(out).Encode(body); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}
