// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/berth-dev/berth/internal/script"
)

const (
	// logDirectory holds the files that scripts write to, below the shared volume.
	logDirectory = "log"
	// longestLog bounds a file there, in bytes: the volume is small, and a pod that fills it is evicted.
	longestLog = 256 << 10
	// longestLine is where a line of output is broken, in bytes.
	longestLine = 8 << 10
)

// copies passes a script's output on, line by line, until the last process that has it open is gone.
func (s *scripts) copies(x script.Script, from io.ReadCloser) {
	defer from.Close()
	log, err := s.openLog(x)
	if err != nil {
		s.say("script %s has no log file: %v", x.Name, err)
	}
	lines := bufio.NewReaderSize(from, longestLine)
	for err = nil; err == nil || errors.Is(err, bufio.ErrBufferFull); {
		var line []byte
		if line, err = lines.ReadSlice('\n'); len(line) == 0 {
			continue
		}
		s.line(x.Name, line)
		if failed := log.write(line); failed != nil {
			s.say("script %s: its log file ends here: %v", x.Name, failed)
			log = nil
		}
	}
	if err := log.close(); err != nil {
		s.say("script %s: its log file: %v", x.Name, err)
	}
}

// line writes one of a script's to the container's log.
func (s *scripts) line(name string, text []byte) {
	s.words.Lock()
	defer s.words.Unlock()
	fmt.Fprintf(s.Stderr, "[%s] %s\n", plain(name), strings.TrimSuffix(string(text), "\n"))
}

// scriptLog is the file that gets a script's output. A nil one takes everything and keeps nothing.
type scriptLog struct {
	file *os.File
	// left is how much the file still takes, in bytes, where it is bounded.
	left          int
	bounded, full bool
}

// openLog begins the file of a script's output anew. One that the template chose is the user's own affair; the agent's own
// are bounded, and lie where other users of the pod may write too, so that no link is followed there.
func (s *scripts) openLog(x script.Script) (*scriptLog, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC | os.O_APPEND | syscall.O_NONBLOCK
	if x.Log != "" {
		path := absolute(x.Log, os.Getenv("HOME"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		file, err := os.OpenFile(path, flags, 0o644)
		if err != nil {
			return nil, err
		}
		return &scriptLog{file: file}, nil
	}
	if err := os.MkdirAll(s.logs, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(s.logs, logName(x)), flags|syscall.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	return &scriptLog{file: file, left: longestLog, bounded: true}, nil
}

// logName makes a script's name a file's: what is not a letter, a digit, a hyphen, a point or an underscore becomes the last,
// and then the script's number tells it from another that becomes the same.
func logName(x script.Script) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' {
			return r
		}
		return '_'
	}, x.Name)
	if name != x.Name {
		name += "-" + x.From
	}
	return name + ".log"
}

const fullLog = "... the rest stands in the container's log\n"

func (l *scriptLog) write(line []byte) error {
	switch {
	case l == nil || l.full:
		return nil
	case l.bounded && len(line) > l.left:
		l.full = true
		line = []byte(fullLog)
	default:
		l.left -= len(line)
	}
	_, err := l.file.Write(line)
	if err != nil {
		return errors.Join(err, l.file.Close())
	}
	return nil
}

func (l *scriptLog) close() error {
	if l == nil {
		return nil
	}
	return l.file.Close()
}
