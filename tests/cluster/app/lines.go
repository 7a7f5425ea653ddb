package main

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A number of nine digits, some words and the newline.
const shortestBurstLine = 35

// Bytes that a burst writes at a time at most.
const burstPiece = 32 * 1024

// Log is standard output; its lines never mix.
type Log struct {
	lock    sync.Mutex
	out     *os.File
	written atomic.Int64
}

func (l *Log) say(format string, values ...any) {
	l.raw([]byte(fmt.Sprintf(format, values...) + "\n"))
}

// Writes bytes as they are: no newline is added, nothing is escaped.
func (l *Log) raw(text []byte) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.out.Write(text)
	l.written.Add(int64(bytes.Count(text, []byte{'\n'})))
}

// An ordinary service's log at the rate that is set.
func (l *Log) ramble(held *Held) {
	for n := 1; ; n++ {
		rate := held.get().LogRate
		if rate <= 0 {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		time.Sleep(time.Duration(float64(time.Second) / rate))
		s := held.get()
		if rand.Float64() < s.ErrorRate {
			l.say("ERROR GET /cart 500 %.0fms request=%d db pool exhausted", s.LatencyMs, n)
		} else {
			l.say("INFO GET /cart 200 %.0fms request=%d", s.LatencyMs, n)
		}
	}
}

// Writes the burst: line N starts with its number, all are different and of one length.
func (l *Log) burst(b Burst) {
	began := time.Now()
	pending := make([]byte, 0, 2*burstPiece)
	flush := func() {
		l.raw(pending)
		pending = pending[:0]
	}
	for n := 1; n <= b.Lines; n++ {
		if b.Rate > 0 {
			due := began.Add(time.Duration(float64(n) / b.Rate * float64(time.Second)))
			if wait := time.Until(due); wait > 0 {
				// What is due is out before the program rests; a rest is short, so that lines come evenly.
				flush()
				time.Sleep(max(wait, 2*time.Millisecond))
			}
		}
		level := "INFO "
		if n%500 == 0 {
			level = "ERROR"
		}
		end := len(pending) + b.Bytes
		pending = fmt.Appendf(pending, "%09d %s GET /cart/%07x ", n, level, uint32(n)*0x9e3779b9>>4)
		for len(pending) < end-1 {
			pending = append(pending, 'a'+byte((n+end-len(pending))%26))
		}
		pending = append(pending[:end-1], '\n')
		if len(pending) > burstPiece {
			flush()
		}
	}
	flush()
}

// Bytes that a log reader must survive: what each line tries is named in it.
func hostile() []byte {
	var b strings.Builder
	say := func(format string, values ...any) { fmt.Fprintf(&b, format+"\n", values...) }
	say("hostile begin")
	say("    indented by four\n\tindented by a tab\n\n  after an empty line")
	say("\x1b[31mred\x1b[0m and \x1b[1mbold\x1b[0m")
	say("clears the screen \x1b[2J\x1b[H moves \x1b[10;10H title \x1b]0;owned\x07")
	say("writes the clipboard \x1b]52;c;b3duZWQ=\x07 asks \x1b[6n and \x1b[c")
	say("never ends its sequence \x1b]8;;http://example.invalid")
	say("C1 controls \u009b31m \u009d52;c;b3duZWQ=\u009c")
	say("not UTF-8 \xff\xfe \xc3( \xed\xa0\x80 end")
	say("NUL \x00 inside, bell \x07, backspace abc\b\b\bxyz, return over\rwritten")
	say("bidi \u202egnp.exe\u202c isolate \u2066x\u2069")
	say("wide 日本語 👩‍👩‍👧 combining e\u0301\u0301\u0301 zero\u200bwidth")
	say("{\"level\":\"error\",\n  \"msg\":\"JSON over\n  several lines\"}")
	say("long %s end of long", strings.Repeat("0123456789", 100_000))
	say("a line that ends in return\r")
	say("hostile end")
	return []byte(b.String())
}
