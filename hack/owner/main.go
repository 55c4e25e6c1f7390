// SPDX-License-Identifier: Apache-2.0

// Command owner is what `make up` asks of the API that it has started, so that a machine needs no HTTP client for it.
//
//	owner wait URL         waits until the API answers, for half a minute at most
//	owner make URL FILE    makes the first owner where there is none, and keeps the sign-in in FILE: address, password
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/berth-dev/berth/api/codersdk"
)

const (
	// patience is how long the API may take until it answers.
	patience = 30 * time.Second
	// interval is how long to wait between two attempts.
	interval = 200 * time.Millisecond

	email, username = "admin@example.org", "admin"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "owner:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "wait":
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return wait(ctx, args[1])
	case len(args) == 3 && args[0] == "make":
		return first(ctx, args[1], args[2])
	}
	return errors.New("say: wait URL, or make URL FILE")
}

// wait asks for the build information until it is there.
func wait(ctx context.Context, url string) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		status, text, err := ask(ctx, http.MethodGet, url+"/api/v2/buildinfo", nil)
		if err == nil && status == http.StatusOK {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%d %s", status, text)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer from %s: %w", url, err)
		case <-tick.C:
		}
	}
}

// first makes the first owner. The file is written before, so that no password is lost; where there is an owner already
// it is left as it is.
func first(ctx context.Context, url, file string) error {
	status, text, err := ask(ctx, http.MethodGet, url+"/api/v2/users/first", nil)
	switch {
	case err != nil:
		return err
	case status == http.StatusOK:
		return nil
	case status != http.StatusNotFound:
		return fmt.Errorf("is there an owner? %d %s", status, text)
	}
	password := rand.Text()
	if err := keep(file, email+"\n"+password+"\n"); err != nil {
		return err
	}
	status, text, err = ask(ctx, http.MethodPost, url+"/api/v2/users/first", codersdk.CreateFirstUserRequest{Email: email, Username: username, Password: password})
	if err != nil {
		return err
	}
	if status != http.StatusCreated {
		return fmt.Errorf("the first owner was not made: %d %s", status, text)
	}
	return nil
}

// keep writes a file that nobody else may read, whatever stood there before.
func keep(file, text string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o600)
}

// ask makes one request and gives the status and the beginning of the body.
func ask(ctx context.Context, method, url string, in any) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return 0, "", err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, url, &body)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	return response.StatusCode, strings.TrimSpace(string(text)), errors.Join(err, response.Body.Close())
}
