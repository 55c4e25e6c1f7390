// SPDX-License-Identifier: Apache-2.0

package render

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/v1alpha1"
)

// runtimeAnnotations begin the annotations by which container runtimes and admission change how a container is confined.
func runtimeAnnotations() []string {
	return []string{
		"container.apparmor.security.beta.kubernetes.io/", "container.seccomp.security.alpha.kubernetes.io/",
		"seccomp.security.alpha.kubernetes.io/", "io.kubernetes.cri", "io.containerd.", "io.katacontainers.", "cri-o.io/",
		"nri.io/", "run.oci.", "dev.gvisor.", "cdi.k8s.io/", "security.alpha.kubernetes.io/",
	}
}

// fixed says why no expression may stand in a field of a pod: what a person chooses must decide neither what the pod
// may reach nor how it is confined, and nothing that other fields refer to by name. Empty where one may.
func fixed(where []string) string {
	field := where[len(where)-1]
	holds := func(name string) bool { return slices.Contains(where, name) }
	switch {
	case field == "annotations" || field == "labels":
		return "write its entries one by one"
	case where[0] == "metadata" && len(where) == 3 && where[1] == "annotations":
		for _, prefix := range runtimeAnnotations() {
			if strings.HasPrefix(field, prefix) {
				return "the container runtime reads this annotation"
			}
		}
		return ""
	case where[0] == "metadata" && len(where) == 3 && where[1] == "labels":
		return ""
	case where[0] == "metadata":
		return "Berth itself sets this"
	case holds("securityContext"):
		return "the template's author alone decides what a container may do"
	case holds("volumes") && !holds("emptyDir"):
		return "the template's author alone decides what a pod mounts"
	case holds("valueFrom") || holds("envFrom") || holds("imagePullSecrets") || holds("resourceClaims"):
		return "the template's author alone decides which objects a pod reads"
	case field == "name" || strings.HasSuffix(field, "Name"):
		return "it is a name, and names are fixed"
	case slices.Contains([]string{"hostNetwork", "hostPID", "hostIPC", "hostUsers", "hostPort", "host", "hostIP", "restartPolicy",
		"automountServiceAccountToken", "serviceAccount", "enableServiceLinks", "shareProcessNamespace", "activeDeadlineSeconds"}, field):
		return "the template's author alone decides what a pod may reach"
	}
	return ""
}

// expands tells whether Kubernetes expands $(NAME) in a field of a pod.
func expands(where []string) bool {
	switch where[len(where)-1] {
	case "command", "args":
		return !slices.Contains(where, "exec")
	case "value":
		return slices.Contains(where, "env")
	case "subPathExpr":
		return true
	}
	return false
}

var shellFlag = regexp.MustCompile(`^-[a-z]*c[a-z]*$`)

// shellText refuses an expression in the text that a shell runs: what a person chose would become a command. The
// arguments are a container's command and args together.
func (c *compiler) shellText(at string, arguments []string) {
	shell, text := false, false
	for _, argument := range arguments {
		switch {
		case text && holdsExpression(argument):
			c.wrong(at, v1alpha1.ReasonNotAllowed, "holds an expression in the text of a shell, which would run what a person typed; parameters are in the environment as $BERTH_PARAM_NAME")
			return
		case shell && shellFlag.MatchString(argument):
			text = true
		case isShell(argument):
			shell = true
		default:
			text = false
		}
	}
}

func isShell(program string) bool {
	shells := []string{"sh", "ash", "bash", "dash", "zsh", "ksh", "fish"}
	return slices.Contains(shells, path.Base(program))
}

// commandOf is command and args of a container that is plain JSON still.
func commandOf(entries map[string]any) []string {
	var arguments []string
	for _, field := range []string{"command", "args"} {
		list, _ := entries[field].([]any)
		for _, entry := range list {
			text, _ := entry.(string)
			arguments = append(arguments, text)
		}
	}
	return arguments
}
