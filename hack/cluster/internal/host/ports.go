// SPDX-License-Identifier: Apache-2.0

package host

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// PortFree is nil if the address can be listened on; otherwise the error says
// which process has it, as far as can be seen.
func PortFree(at netip.AddrPort) error {
	l, err := net.Listen("tcp", at.String())
	if err == nil {
		return l.Close()
	}
	if owner := listener(at.Port()); owner != "" {
		return fmt.Errorf("port %d of %s is taken by %s", at.Port(), at.Addr(), owner)
	}
	return fmt.Errorf("port %d of %s cannot be listened on: %w", at.Port(), at.Addr(), err)
}

// FreePort asks the kernel for a port of 127.0.0.1 that nobody listens on.
func FreePort() (uint16, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return uint16(port), l.Close()
}

// listener names the process that listens on the port: "name (pid 7)".
func listener(port uint16) string {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		content, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		if inode := listeningInode(string(content), port); inode != "" {
			return socketOwner(inode)
		}
	}
	return ""
}

// listeningInode finds the socket that listens on the port in a kernel table of
// TCP sockets.
func listeningInode(table string, port uint16) string {
	const local, state, inode, listening = 1, 3, 9, "0A"
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) <= inode || fields[state] != listening {
			continue
		}
		_, hex, _ := strings.Cut(fields[local], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && uint16(n) == port {
			return fields[inode]
		}
	}
	return ""
}

func socketOwner(inode string) string {
	descriptors, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return ""
	}
	for _, fd := range descriptors {
		if target, err := os.Readlink(fd); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		name, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		if err != nil {
			return "process " + pid
		}
		return fmt.Sprintf("%s (pid %s)", strings.TrimSpace(string(name)), pid)
	}
	return "a process of another user"
}
