// SPDX-License-Identifier: Apache-2.0

// Command probe is what the node test runs in pods: an image with no shell has
// to look around somehow.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	out, err := run(os.Args[1:])
	fmt.Print(out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(args []string) (string, error) {
	if len(args) < 2 {
		return "", fmt.Errorf("usage: probe serve ADDRESS | lookup NAME | get URL | dial ADDRESS | read FILE | write FILE TEXT")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	switch args[0] {
	case "serve":
		return "", serve(args[1])
	case "lookup":
		addresses, err := net.DefaultResolver.LookupHost(ctx, args[1])
		return strings.Join(addresses, " "), err
	case "get":
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, args[1], nil)
		if err != nil {
			return "", err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return "", err
		}
		defer response.Body.Close() //nolint:errcheck // read to its end
		body, err := io.ReadAll(response.Body)
		return string(body), err
	case "dial":
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", args[1])
		if err != nil {
			return "", err
		}
		return "connected", conn.Close()
	case "read":
		content, err := os.ReadFile(args[1])
		return string(content), err
	case "write":
		return "", os.WriteFile(args[1], []byte(strings.Join(args[2:], " ")), 0o644)
	}
	return "", fmt.Errorf("unknown %q", args[0])
}

func serve(address string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: address, ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, err := os.Hostname()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(os.Stdout, "served", r.RemoteAddr)
		fmt.Fprint(w, host) //nolint:errcheck // the client went away
	})}
	fmt.Println("serving on", address)
	context.AfterFunc(ctx, func() { server.Close() }) //nolint:errcheck // ends ListenAndServe
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}
