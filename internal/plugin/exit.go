// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/berth-dev/berth/internal/fault"
)

// The exit codes of all commands.
const (
	// exitDone: done as asked; nothing was found; nothing differs.
	exitDone = 0
	// exitFailed: it was refused or has failed; something was found; something differs.
	exitFailed = 1
	// exitMisuse: the command line, or a file that it names, can't be used.
	exitMisuse = 2
	// exitWaiting: the time to wait was over before it was done; it may still be done.
	exitWaiting = 3
	// exitUnreachable: the cluster does not answer, or lets this person not do it.
	exitUnreachable = 4
)

// failure is how a command ends that did not do what was asked: what a person reads, and what they may type next.
type failure struct {
	code int
	text string
	next string
}

// Error is the sentence.
func (f *failure) Error() string { return f.text }

// fail is a failure with exitFailed.
func fail(next, format string, args ...any) error {
	return &failure{exitFailed, fmt.Sprintf(format, args...), next}
}

// misuse is a failure with exitMisuse.
func misuse(next, format string, args ...any) error {
	return &failure{exitMisuse, fmt.Sprintf(format, args...), next}
}

// silent ends a command with a code after it has said everything itself.
func silent(code int) error { return &failure{code: code} }

// explain makes a failure of whatever went wrong while a command ran: in the namespace, if it was about one, by the
// command that help is the help of.
func explain(err error, namespace, help string) *failure {
	var done *failure
	var status apierrors.APIStatus
	var address *url.Error
	var network net.Error
	in := ""
	if namespace != "" {
		in = " -n " + namespace
	}
	switch {
	case errors.As(err, &done):
		return done
	case fault.Is(err, fault.Invalid):
		return &failure{exitFailed, err.Error(), help}
	case meta.IsNoMatchError(err) || apierrors.IsNotFound(err) && strings.Contains(err.Error(), "the server could not find the requested resource"):
		return &failure{exitUnreachable, "this cluster does not serve Berth's kinds", "kubectl berth doctor"}
	case errors.As(err, &status):
		return explainStatus(err, in, help)
	case clientcmd.IsEmptyConfig(err):
		return &failure{exitUnreachable, "no cluster is named: there is no kubeconfig", "export KUBECONFIG=FILE"}
	case errors.Is(err, context.DeadlineExceeded):
		return &failure{exitWaiting, "the time was over before it was done", "kubectl berth list" + in}
	case errors.Is(err, context.Canceled):
		return &failure{exitWaiting, "stopped before it was done", "kubectl berth list" + in}
	case errors.As(err, &address) || errors.As(err, &network):
		return &failure{exitUnreachable, "the cluster does not answer: " + err.Error(), "kubectl cluster-info"}
	}
	return &failure{exitFailed, err.Error(), "kubectl berth doctor"}
}

// explainStatus is explain for what the kube-apiserver answered.
func explainStatus(err error, in, help string) *failure {
	switch {
	case apierrors.IsUnauthorized(err):
		return &failure{exitUnreachable, "the cluster does not know you: " + err.Error(), "kubectl auth whoami"}
	case apierrors.IsForbidden(err):
		return &failure{exitUnreachable, err.Error(), "kubectl auth can-i --list" + in}
	case apierrors.IsNotFound(err):
		return &failure{exitFailed, err.Error(), "kubectl berth list" + in}
	case apierrors.IsConflict(err):
		return &failure{exitFailed, "somebody else changed it meanwhile; try again: " + err.Error(), "kubectl berth list" + in}
	}
	return &failure{exitFailed, err.Error(), help}
}
