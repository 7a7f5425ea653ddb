package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Upper bounds in seconds.
var bounds = [...]float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}

// Metrics are the two that criteria ask for: requests by code, and how long they took.
type Metrics struct {
	lock    sync.Mutex
	byCode  map[int]int
	buckets [len(bounds)]int
	count   int
	sum     float64
}

func (m *Metrics) saw(code int, took time.Duration) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.byCode[code]++
	for i, bound := range bounds {
		if took.Seconds() <= bound {
			m.buckets[i]++
		}
	}
	m.count++
	m.sum += took.Seconds()
}

// Prometheus text format 0.0.4.
func (m *Metrics) write(out io.Writer, version string, started time.Time, lines int64) {
	m.lock.Lock()
	defer m.lock.Unlock()
	fmt.Fprint(out, "# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter\n")
	for _, code := range []int{200, 500} {
		fmt.Fprintf(out, "http_requests_total{code=\"%d\"} %d\n", code, m.byCode[code])
	}
	const duration = "http_request_duration_seconds"
	fmt.Fprintf(out, "# HELP %[1]s Time to answer.\n# TYPE %[1]s histogram\n", duration)
	for i, bound := range bounds {
		fmt.Fprintf(out, "%s_bucket{le=\"%g\"} %d\n", duration, bound, m.buckets[i])
	}
	fmt.Fprintf(out, "%[1]s_bucket{le=\"+Inf\"} %[2]d\n%[1]s_sum %[3]g\n%[1]s_count %[2]d\n", duration, m.count, m.sum)
	fmt.Fprintf(out, "# HELP app_log_lines_total Lines written.\n# TYPE app_log_lines_total counter\napp_log_lines_total %d\n", lines)
	fmt.Fprintf(out, "# HELP app_info The version that runs.\n# TYPE app_info gauge\napp_info{version=%q} 1\n", version)
	fmt.Fprintf(out, "# HELP process_start_time_seconds Start, Unix time.\n# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds %d\n", started.Unix())
}
