// SPDX-License-Identifier: Apache-2.0

// Package forward carries TCP connections from ports of the host's loopback to
// addresses that are dialled elsewhere, such as inside a network namespace. It
// owns nothing of how the other place is entered.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Rule is one port.
type Rule struct {
	// Listen is the address on the host.
	Listen netip.AddrPort
	// Target is the address that is dialled.
	Target netip.AddrPort
}

// String is the form that Parse reads.
func (r Rule) String() string { return r.Listen.String() + "=" + r.Target.String() }

// Parse reads [ADDRESS:]PORT=[ADDRESS:]PORT: what to listen on, then what to
// dial. Without an address, 127.0.0.1 is listened on and node is dialled.
func Parse(text string, node netip.Addr) (Rule, error) {
	listen, target, ok := strings.Cut(text, "=")
	if !ok {
		return Rule{}, fmt.Errorf("forward %q: write it as 127.0.0.1:8080=30080, the host's port and the node's", text)
	}
	from, err := parseEnd(listen, netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if err != nil {
		return Rule{}, fmt.Errorf("forward %q: %w", text, err)
	}
	if !from.Addr().IsLoopback() {
		return Rule{}, fmt.Errorf("forward %q: %s is not a loopback address; the cluster is served to this machine only", text, from.Addr())
	}
	to, err := parseEnd(target, node)
	if err != nil {
		return Rule{}, fmt.Errorf("forward %q: %w", text, err)
	}
	return Rule{Listen: from, Target: to}, nil
}

func parseEnd(text string, address netip.Addr) (netip.AddrPort, error) {
	if !strings.Contains(text, ":") {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return netip.AddrPort{}, fmt.Errorf("%q is no port (1 to 65535)", text)
		}
		return netip.AddrPortFrom(address, uint16(port)), nil
	}
	end, err := netip.ParseAddrPort(text)
	if err != nil || end.Port() == 0 {
		return netip.AddrPort{}, fmt.Errorf("%q is no ADDRESS:PORT", text)
	}
	return end, nil
}

// Dial opens a connection to the target of a rule.
type Dial func(ctx context.Context, target netip.AddrPort) (net.Conn, error)

// Serve listens on all rules and carries connections until ctx ends. It fails at
// once if a port cannot be listened on.
func Serve(ctx context.Context, rules []Rule, dial Dial, log *slog.Logger) error {
	var listeners []net.Listener
	var failed error
	for _, r := range rules {
		var config net.ListenConfig
		l, err := config.Listen(ctx, "tcp", r.Listen.String())
		if err != nil {
			failed = fmt.Errorf("forward %s: %w", r, err)
			break
		}
		listeners = append(listeners, l)
	}
	closeAll := func() {
		for _, l := range listeners {
			l.Close() //nolint:errcheck // ends the accept loop, which is all that is wanted
		}
	}
	if failed != nil {
		closeAll()
		return failed
	}
	stop := context.AfterFunc(ctx, closeAll)
	defer stop()
	var loops sync.WaitGroup
	for i, l := range listeners {
		loops.Go(func() { acceptLoop(ctx, l, rules[i], dial, log) })
	}
	loops.Wait()
	return ctx.Err()
}

func acceptLoop(ctx context.Context, l net.Listener, r Rule, dial Dial, log *slog.Logger) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				// Out of file descriptors, most likely: connections that end give some back.
				log.Warn("accepting", "rule", r.String(), "error", err)
				select {
				case <-time.After(100 * time.Millisecond):
					continue
				case <-ctx.Done():
				}
			}
			return
		}
		go func() {
			if err := carry(ctx, conn, r.Target, dial); err != nil {
				log.Warn("connection", "rule", r.String(), "error", err)
			}
		}()
	}
}

// carry copies both ways; the end of one direction is passed on, so that a
// protocol that half-closes works.
func carry(ctx context.Context, from net.Conn, target netip.AddrPort, dial Dial) error {
	defer from.Close() //nolint:errcheck // both copies have ended
	to, err := dial(ctx, target)
	if err != nil {
		return err
	}
	defer to.Close()                                                    //nolint:errcheck // both copies have ended
	stop := context.AfterFunc(ctx, func() { from.Close(); to.Close() }) //nolint:errcheck // ends the copies
	defer stop()
	var copies sync.WaitGroup
	copies.Go(func() { pipe(to, from) })
	copies.Go(func() { pipe(from, to) })
	copies.Wait()
	return nil
}

func pipe(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		// A reset on one side is a reset for the other.
		to.Close()   //nolint:errcheck // nothing more can be told to a broken connection
		from.Close() //nolint:errcheck // see above
	}
}
