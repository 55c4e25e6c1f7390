// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Progress shows how far builds are: one line that is rewritten on a terminal,
// and elsewhere a line every Interval.
type Progress struct {
	// Out takes the lines; an error writing them is not worth stopping a build.
	Out io.Writer
	// Live says that Out is a terminal.
	Live bool
	// Interval is the time between two lines where Out is not a terminal.
	Interval time.Duration
}

// NewProgress shows progress on f.
func NewProgress(f *os.File) *Progress {
	info, err := f.Stat()
	live := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb" && os.Getenv("CI") == ""
	return &Progress{Out: f, Live: live, Interval: 20 * time.Second}
}

// line is the progress of one program.
type line struct {
	progress *Progress
	label    string
	typical  time.Duration

	mu      sync.Mutex
	began   time.Time
	now     string
	pending map[string]bool
	total   int
	done    chan struct{}
	stopped chan struct{}
}

func (p *Progress) start(number, of int, name string, typical time.Duration) *line {
	l := &line{
		progress: p, label: fmt.Sprintf("[%d/%d] %s", number, of, name), typical: typical, began: time.Now(),
		done: make(chan struct{}), stopped: make(chan struct{}),
	}
	go l.tick()
	return l
}

// tick prints at the progress's rhythm until the line ends.
func (l *line) tick() {
	defer close(l.stopped)
	interval := l.progress.Interval
	if l.progress.Live {
		interval = 500 * time.Millisecond
	}
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.mu.Lock()
			text := l.text(time.Since(l.began))
			l.mu.Unlock()
			l.print(text, false)
		case <-l.done:
			return
		}
	}
}

// begin starts the clock, after a wait for another build.
func (l *line) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.began, l.now = time.Now(), ""
}

// phase says what happens where there is no percentage.
func (l *line) phase(what string) {
	l.mu.Lock()
	l.now = what
	l.mu.Unlock()
	if !l.progress.Live {
		l.print(l.label+": "+what, true)
	}
}

// expect tells which packages are going to be compiled.
func (l *line) expect(packages []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now, l.total, l.pending = "", len(packages), make(map[string]bool, len(packages))
	for _, p := range packages {
		l.pending[p] = true
	}
}

// compiled counts a line of the compiler's output if it is a package.
func (l *line) compiled(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.pending[text]
	delete(l.pending, text)
	return known
}

// text is the line as it stands after elapsed.
func (l *line) text(elapsed time.Duration) string {
	if l.now != "" {
		return fmt.Sprintf("%s: %s %s", l.label, l.now, short(elapsed))
	}
	if l.total == 0 {
		return fmt.Sprintf("%s linking %s", l.label, short(elapsed))
	}
	compiled := l.total - len(l.pending)
	if len(l.pending) == 0 {
		return fmt.Sprintf("%s 99 %%, linking  %s", l.label, short(elapsed))
	}
	return fmt.Sprintf("%s %d %%  %s of about %s", l.label, compiled*99/l.total, short(elapsed), short(l.estimate(elapsed, compiled)))
}

// estimate is how long the whole build takes: what is usual, and the more is compiled, the more what this machine shows;
// once a fifth is, or the usual time is over, that alone.
func (l *line) estimate(elapsed time.Duration, compiled int) time.Duration {
	whole := l.typical
	if compiled > 0 {
		part := float64(compiled) / float64(l.total)
		weight := min(5*part, 1)
		if elapsed > l.typical {
			weight = 1
		}
		whole = time.Duration(weight*float64(elapsed)/part + (1-weight)*float64(l.typical))
	}
	return max(whole, elapsed+time.Second)
}

// end stops the line and leaves its result.
func (l *line) end(result string) {
	close(l.done)
	<-l.stopped
	l.print(fmt.Sprintf("%s %s in %s", l.label, result, short(time.Since(l.began))), true)
}

func (l *line) print(text string, final bool) {
	format := "%s\n"
	switch {
	case l.progress.Live && final:
		format = "\r\033[K%s\n"
	case l.progress.Live:
		format = "\r\033[K%s"
	}
	fmt.Fprintf(l.progress.Out, format, text) //nolint:errcheck // see Progress.Out
}

// short is a duration for people: 8s, 2m10s.
func short(d time.Duration) string {
	return d.Round(time.Second).String()
}
