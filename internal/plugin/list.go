// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
)

// door is where the API server answers by the Kubernetes identity of whoever asks.
const door = "/apis/codersdk.berth.dev/v2/"

// page is how many workspaces are asked for at once.
const page = 100

// row is one workspace of a list, whoever told of it.
type row struct {
	Owner     string `json:"owner"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Object    string `json:"object,omitempty"`
	Template  string `json:"template"`
	Version   string `json:"version,omitempty"`
	State     string `json:"state"`
	Reason    string `json:"reason,omitempty"`
	Message   string `json:"message,omitempty"`
	// Update tells whether the next start takes another version or other parameters.
	Update bool `json:"update"`
	// StopsAt is when it is stopped; absent: not by itself.
	StopsAt *time.Time `json:"stopsAt,omitempty"`
}

func (s *session) list() *cobra.Command {
	var o output
	var all bool
	var search string
	c := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List workspaces: yours, those of a namespace (-n), or all that you may see (-A)",
		Long: "List shows your own workspaces, wherever they are, as Berth's API tells them; where that is not reached, those of the\n" +
			"current namespace that Kubernetes lets you list. With -n it shows every workspace of the namespace, with -A all.\n" +
			"With -q it shows what Berth's API finds by a query in the language of Coder's clients, among all that you may see:\n" +
			"owner:me, template:go-dev, status:running, outdated:true, name:api and more, or a part of a name alone.",
		Args: cobra.NoArgs,
		RunE: s.run(func(ctx context.Context, _ []string) error {
			if err := o.check("kubectl berth list --help"); err != nil {
				return err
			}
			c, err := s.connect()
			if err != nil {
				return err
			}
			if search != "" && (all || s.named()) {
				return misuse("kubectl berth list --help", "--search asks Berth's API, which knows no namespaces: leave out -n and -A")
			}
			rows, err := s.rows(ctx, c, all, search)
			if err != nil {
				return err
			}
			slices.SortFunc(rows, func(a, b row) int {
				return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Namespace, b.Namespace))
			})
			return s.printRows(rows, o)
		}),
	}
	o.add(c)
	c.Flags().BoolVarP(&all, "all-namespaces", "A", false, "every workspace that you may see")
	c.Flags().StringVarP(&search, "search", "q", "", "what Berth's API finds by a query, such as 'owner:me status:running'")
	return c
}

// named tells whether a namespace was named.
func (s *session) named() bool { return s.flags.Namespace != nil && *s.flags.Namespace != "" }

// rows asks whoever can tell; what a query finds, the API server alone can.
func (s *session) rows(ctx context.Context, c *connection, all bool, search string) ([]row, error) {
	switch {
	case search != "":
		return c.ofDoor(ctx, search)
	case all:
		rows, err := c.ofCluster(ctx)
		if apierrors.IsForbidden(err) {
			if seen, err := c.ofDoor(ctx, ""); err == nil {
				return seen, nil
			}
		}
		return rows, err
	case s.named():
		return c.ofCluster(ctx, client.InNamespace(c.namespace))
	}
	if rows, err := c.ofDoor(ctx, "owner:me"); err == nil {
		return rows, nil
	}
	rows, err := c.ofCluster(ctx, client.InNamespace(c.namespace))
	if err != nil {
		return nil, err
	}
	me, err := c.me(ctx)
	if err != nil {
		_, err := fmt.Fprintf(s.ErrOut, "these are all workspaces of namespace %s: which of them are yours could not be found out (%v)\n", c.namespace, err)
		return rows, err
	}
	return slices.DeleteFunc(rows, func(r row) bool { return r.Owner != me.Name }), nil
}

// ofDoor asks the API server, which knows who may see what.
func (c *connection) ofDoor(ctx context.Context, query string) ([]row, error) {
	core, err := c.core()
	if err != nil {
		return nil, err
	}
	rows := []row{}
	for {
		text, err := core.Discovery().RESTClient().Get().AbsPath(door+"workspaces").Param("q", query).
			Param("limit", strconv.Itoa(page)).Param("offset", strconv.Itoa(len(rows))).Do(ctx).Raw()
		if err != nil {
			return nil, refusal(text, err)
		}
		var answer codersdk.WorkspacesResponse
		if err := json.Unmarshal(text, &answer); err != nil {
			return nil, err
		}
		for _, w := range answer.Workspaces {
			rows = append(rows, ofWire(w))
		}
		if len(rows) >= answer.Count || len(answer.Workspaces) == 0 {
			return rows, nil
		}
	}
}

// refusal is what the API server says of a request that it refuses, as Kubernetes' client does not read its words; any other
// error stays.
func refusal(body []byte, err error) error {
	var said codersdk.Response
	if !apierrors.IsBadRequest(err) || json.Unmarshal(body, &said) != nil || said.Message == "" {
		return err
	}
	text := said.Message
	for _, v := range said.Validations {
		text += fmt.Sprintf(" %s: %s", v.Field, v.Detail)
	}
	return fail("kubectl berth list --help", "%s", text)
}

func ofWire(w codersdk.Workspace) row {
	r := row{
		Owner: w.OwnerName, Name: w.Name, Template: w.TemplateName, Version: w.LatestBuild.TemplateVersionName,
		State: capital(string(w.LatestBuild.Status)), Message: w.LatestBuild.Job.Error, Update: w.Outdated,
	}
	switch w.LatestBuild.Reason {
	case codersdk.BuildReasonAutostart, codersdk.BuildReasonAutostop:
		r.Reason = capital(string(w.LatestBuild.Reason))
	}
	if at := w.LatestBuild.Deadline.Time; !at.IsZero() {
		r.StopsAt = &at
	}
	return r
}

// capital is a word of the wire as manifests write it.
func capital(word string) string {
	first := min(1, len(word))
	return strings.ToUpper(word[:first]) + word[first:]
}

// ofCluster asks Kubernetes.
func (c *connection) ofCluster(ctx context.Context, where ...client.ListOption) ([]row, error) {
	var all v1alpha1.WorkspaceList
	if err := c.List(ctx, &all, where...); err != nil {
		return nil, err
	}
	rows := []row{}
	for i := range all.Items {
		rows = append(rows, ofObject(&all.Items[i]))
	}
	return rows, nil
}

func ofObject(w *v1alpha1.Workspace) row {
	r := row{
		Owner: string(w.Spec.Owner.User), Name: w.WireName(), Namespace: w.Namespace, Object: w.Name,
		Template: w.Spec.TemplateRef.Key(), Version: w.Status.Version, State: string(w.Status.Phase),
		Update: meta.IsStatusConditionTrue(w.Status.Conditions, v1alpha1.ConditionUpdatePending),
	}
	if ready := meta.FindStatusCondition(w.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		r.Reason = ready.Reason
		if ready.Status != metav1.ConditionTrue {
			r.Message = ready.Message
		}
	}
	if w.Status.Schedule != nil && w.Status.Schedule.Deadline != nil && w.Status.Phase == v1alpha1.PhaseRunning {
		at := w.Status.Schedule.Deadline.UTC()
		r.StopsAt = &at
	}
	return r
}

func (s *session) printRows(rows []row, o output) error {
	if done, err := o.machine(s.Out, map[string]any{"items": rows}); done {
		return err
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(s.ErrOut, "no workspaces; to make one: kubectl berth create NAME --template TEMPLATE")
		return err
	}
	headings := []string{"OWNER", "NAME", "TEMPLATE", "STATE", "REASON", "UPDATE", "STOPS IN"}
	if o.form == "wide" {
		headings = append(headings, "VERSION", "NAMESPACE", "OBJECT", "MESSAGE")
	}
	var cells [][]string
	for _, r := range rows {
		update, stops := "", ""
		if r.Update {
			update = "pending"
		}
		if r.StopsAt != nil {
			stops = span(r.StopsAt.Sub(s.now()))
		}
		line := []string{r.Owner, r.Name, r.Template, r.State, r.Reason, update, stops}
		if o.form == "wide" {
			line = append(line, r.Version, r.Namespace, r.Object, r.Message)
		}
		cells = append(cells, line)
	}
	return table(s.Out, headings, cells)
}
