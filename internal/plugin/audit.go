// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/berth-dev/berth/api/codersdk"
)

// auditMost is how many entries may be asked for.
const auditMost = 10_000

func (s *session) audit() *cobra.Command {
	var o output
	var query string
	var since time.Duration
	var limit int
	c := &cobra.Command{
		Use:   "audit [TYPE/NAME]",
		Short: "Show who did what, the newest first",
		Long: "Audit shows entries of the audit log: of one resource, such as template/go-dev, of a search (-q), or all of them. A search\n" +
			"is words KEY:VALUE: resource_type, resource_id, resource_target, action, username, email, date_from, date_to,\n" +
			"build_reason, organization and request_id. Owners and auditors may read the log.",
		Example: "  kubectl berth audit template/go-dev --since 168h\n  kubectl berth audit -q 'username:ada action:delete' -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: s.run(func(ctx context.Context, args []string) error {
			if err := o.check("kubectl berth audit --help"); err != nil {
				return err
			}
			if limit < 1 || limit > auditMost {
				return misuse("kubectl berth audit --help", "--limit must be from 1 to %d", auditMost)
			}
			search, err := auditSearch(query, args)
			if err != nil {
				return err
			}
			c, err := s.connect()
			if err != nil {
				return err
			}
			answer, err := c.audited(ctx, search, limit)
			if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
				return fail("kubectl auth whoami", "the audit log is for owners and auditors, or Berth's API is not reached through Kubernetes: %v", err)
			}
			if err != nil {
				return err
			}
			entries := answer.AuditLogs
			if since > 0 {
				entries = younger(entries, s.now().Add(-since))
			}
			return s.printAudit(entries, answer.Count, o)
		}),
	}
	o.add(c)
	c.Flags().StringVarP(&query, "query", "q", "", "search, in the words of the API")
	c.Flags().DurationVar(&since, "since", 0, "only what is younger than this, such as 24h")
	c.Flags().IntVar(&limit, "limit", 100, "how many entries at most")
	return c
}

// auditSearch joins the search with what a resource's name means in it.
func auditSearch(query string, args []string) (string, error) {
	if len(args) == 0 {
		return query, nil
	}
	kind, name, ok := strings.Cut(args[0], "/")
	if !ok || kind == "" || name == "" || strings.Contains(name, `"`) {
		return "", misuse("kubectl berth audit --help", "%q is not TYPE/NAME, such as template/go-dev", args[0])
	}
	return strings.TrimSpace(fmt.Sprintf(`resource_type:%s resource_target:"%s" %s`, kind, name, query)), nil
}

// audited asks the API server for the newest entries that are searched for.
func (c *connection) audited(ctx context.Context, query string, limit int) (codersdk.AuditLogResponse, error) {
	var answer codersdk.AuditLogResponse
	core, err := c.core()
	if err != nil {
		return answer, err
	}
	text, err := core.Discovery().RESTClient().Get().AbsPath(door+"audit").Param("q", query).Param("limit", strconv.Itoa(limit)).Do(ctx).Raw()
	if err != nil {
		return answer, err
	}
	return answer, json.Unmarshal(text, &answer)
}

// younger are the entries, which are the newest first, from a time on.
func younger(entries []codersdk.AuditLog, from time.Time) []codersdk.AuditLog {
	for i, e := range entries {
		if e.Time.Before(from) {
			return entries[:i]
		}
	}
	return entries
}

func (s *session) printAudit(entries []codersdk.AuditLog, total int64, o output) error {
	if done, err := o.machine(s.Out, map[string]any{"items": entries, "count": total}); done {
		return err
	}
	if len(entries) == 0 {
		_, err := fmt.Fprintln(s.ErrOut, "no entry of the audit log matches")
		return err
	}
	headings := []string{"TIME", "WHAT", "STATUS", "FROM"}
	if o.form == "wide" {
		headings = append(headings, "CHANGED", "USER AGENT", "REQUEST")
	}
	var rows [][]string
	for _, e := range entries {
		line := []string{e.Time.Format(time.RFC3339), told(e), strconv.Itoa(e.StatusCode), e.IP}
		if o.form == "wide" {
			line = append(line, changedFields(e.Diff), e.UserAgent, e.RequestID.String())
		}
		rows = append(rows, line)
	}
	return table(s.Out, headings, rows)
}

// told is an entry's sentence with who and what filled in.
func told(e codersdk.AuditLog) string {
	who := "somebody"
	if e.User != nil {
		who = e.User.Username
	}
	what := e.ResourceTarget
	if what == "" {
		what = e.ResourceID.String()
	}
	return strings.NewReplacer("{user}", who, "{target}", what).Replace(e.Description)
}

// changedFields are the names of what changed, in order.
func changedFields(diff codersdk.AuditDiff) string {
	return strings.Join(slices.Sorted(maps.Keys(diff)), ", ")
}
