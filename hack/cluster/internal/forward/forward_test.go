// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	cases := map[string]struct{ text, want, wantErr string }{
		"ports":          {text: "8080=30080", want: "127.0.0.1:8080=10.99.0.1:30080"},
		"addresses":      {text: "127.0.0.2:80=10.96.0.10:53", want: "127.0.0.2:80=10.96.0.10:53"},
		"as written":     {text: "127.0.0.1:8080=10.99.0.1:30080", want: "127.0.0.1:8080=10.99.0.1:30080"},
		"no target":      {text: "8080", wantErr: "write it as"},
		"zero":           {text: "0=80", wantErr: "no port"},
		"too large":      {text: "70000=80", wantErr: "no port"},
		"a name":         {text: "localhost:80=80", wantErr: "no ADDRESS:PORT"},
		"open to others": {text: "0.0.0.0:80=80", wantErr: "not a loopback"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(c.text, netip.MustParseAddr("10.99.0.1"))
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) || !strings.Contains(err.Error(), c.text) {
					t.Fatalf("error %v, want one with %q and the text", err, c.wantErr)
				}
				return
			}
			if err != nil || got.String() != c.want {
				t.Errorf("got %s, %v; want %s", got, err, c.want)
			}
		})
	}
}

// A client that ends its half of a connection still gets the whole answer.
func TestServeHalfClose(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close() //nolint:errcheck // the test is over
	go func() {
		conn, err := echo.Accept()
		if err != nil {
			return
		}
		all, err := io.ReadAll(conn) // to the end of the client's half
		if err == nil {
			_, err = conn.Write(append([]byte("you said "), all...))
		}
		if err := errors.Join(err, conn.Close()); err != nil {
			t.Error(err)
		}
	}()

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rule := Rule{Listen: netip.MustParseAddrPort(free.Addr().String()), Target: netip.MustParseAddrPort(echo.Addr().String())}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	dialled := make(chan netip.AddrPort, 1)
	go func() {
		served <- Serve(ctx, []Rule{rule}, func(ctx context.Context, target netip.AddrPort) (net.Conn, error) {
			dialled <- target
			var d net.Dialer
			return d.DialContext(ctx, "tcp", target.String())
		}, slog.New(slog.DiscardHandler))
	}()
	conn := dialUntilServed(t, rule.Listen.String())
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || string(answer) != "you said hello" {
		t.Errorf("got %q, %v", answer, err)
	}
	if target := <-dialled; target != rule.Target {
		t.Errorf("dialled %s, want %s", target, rule.Target)
	}
	cancel()
	if err := <-served; !errors.Is(err, context.Canceled) {
		t.Errorf("Serve ended with %v", err)
	}
}

func dialUntilServed(t *testing.T, address string) net.Conn {
	t.Helper()
	for t.Context().Err() == nil {
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn
		}
	}
	t.Fatal("nobody listens")
	return nil
}

func TestServeSaysWhichPortIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close() //nolint:errcheck // the test is over
	rule := Rule{Listen: netip.MustParseAddrPort(taken.Addr().String()), Target: netip.MustParseAddrPort("127.0.0.1:1")}
	err = Serve(t.Context(), []Rule{rule}, nil, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), rule.String()) {
		t.Errorf("error %v does not name %s", err, rule)
	}
}
