// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/berth-dev/berth/api/agentsdk"
)

// Variables of a prepared pod's container by which the agent finds the API server. They are the agent's alone: its command
// gets neither.
const (
	URLVariable = "BERTH_URL"
	CAVariable  = "BERTH_CA"
)

// DefaultToken is where a pod has its agent's token.
const DefaultToken = "/.berth-token/token"

// Hold is how the agent of a prepared pod, which is nobody's yet, hears whose it becomes.
type Hold struct {
	// Name is the agent's name.
	Name string
	// URL is the API server's, by https, and CA the certificates, in PEM, by which it is known.
	URL, CA string
	// Token is the path of the pod's token. It is read again at each connection, since it is renewed.
	Token string
}

// claimedSuffix makes a state file's path the path of what the agent was told at the claim.
const claimedSuffix = ".claim"

// longestClaim bounds what is read of a claim, in bytes.
const longestClaim = 4 << 20

// hold waits until the pod is somebody's, and sets the variables that say whose. Meanwhile it does what the first process of
// a container does. It returns true when the container is to end instead.
//
// What was told, but for the secret, is kept beside the state file, for the user of this process alone: a container that
// starts again in a pod that was claimed goes on as whose it is.
func (r *runner) hold(ctx context.Context) (stopped bool, err error) {
	kept := r.State + claimedSuffix
	env, err := readClaimed(kept)
	if err == nil {
		return false, r.become(env)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("what this agent was told before: %w", err)
	}
	server, err := newServer(*r.Hold, r.Stderr)
	if err != nil {
		return false, err
	}
	told := make(chan []agentsdk.EnvVar, 1)
	go server.await(ctx, func(env []agentsdk.EnvVar) error {
		if err := keepClaimed(kept, env); err != nil {
			return err
		}
		told <- env
		return nil
	})
	for {
		select {
		case <-r.children:
			r.reaper.reap()
		case s := <-r.signals:
			if r.stops(s) {
				return true, nil
			}
		case env := <-told:
			return false, r.become(env)
		}
	}
}

// become sets what the command's environment has beside the container's.
func (r *runner) become(env []agentsdk.EnvVar) error {
	errs := []error{os.Unsetenv(URLVariable), os.Unsetenv(CAVariable)}
	for _, v := range env {
		if err := os.Setenv(v.Name, v.Value); err != nil {
			errs = append(errs, fmt.Errorf("the variable %q can't be set: %w", v.Name, err))
		}
	}
	return errors.Join(errs...)
}

func keepClaimed(path string, env []agentsdk.EnvVar) error {
	text, err := json.Marshal(env)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer root.Close()
	return publish(root, filepath.Base(path), bytes.NewReader(text), 0o600)
}

// readClaimed reads what keepClaimed kept. Other users of the pod may write into the directory too, so only a file of this
// user's, which nobody else may write, counts.
func readClaimed(path string) ([]agentsdk.EnvVar, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	of, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 || int64(of.Uid) != int64(os.Geteuid()) {
		return nil, fmt.Errorf("%s is not this agent's own file", path)
	}
	text, err := io.ReadAll(io.LimitReader(file, longestClaim))
	if err != nil {
		return nil, err
	}
	var env []agentsdk.EnvVar
	if err := json.Unmarshal(text, &env); err != nil {
		return nil, fmt.Errorf("%s is damaged", path)
	}
	return env, nil
}
