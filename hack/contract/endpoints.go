// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// header explains the columns to whoever opens the file.
const header = "# METHOD\tPATH\tTAG\tAUTH\tSTATUS\tREQUEST\tRESPONSE\n"

// doors shortens how an endpoint is authenticated.
var doors = map[string]string{
	"session token":         "session",
	"none":                  "none",
	"agent token":           "agent",
	"scim bearer token":     "scim",
	"workspace proxy token": "proxy",
	"per app sharing level (none for public)": "app",
	"session token or provisioner psk":        "session-or-psk",
}

// corrections are answers that the source names less exactly than its other facts do: an event of this stream carries
// the whole list.
var corrections = map[string]string{
	"text/event-stream of codersdk.WorkspaceAgentMetadata":                     "text/event-stream []codersdk.WorkspaceAgentMetadata",
	"text/event-stream of codersdk.ServerSentEvent (data: codersdk.Workspace)": "text/event-stream codersdk.Workspace",
}

// furtherStatuses are successes that clients know and the source does not name: what is so already is not changed.
var furtherStatuses = map[string]int{
	"PUT /api/v2/workspaces/{workspace}/dormant": http.StatusNotModified,
}

// endpointLines writes the endpoints of the first edition, and returns the schemas that they carry.
func (s *source) endpointLines() (lines string, roots []string, err error) {
	roots = []string{"codersdk.Response"}
	var rows []string
	for _, e := range s.endpoints {
		if e.Era != "seed" {
			continue
		}
		door, ok := doors[e.Auth]
		if !ok {
			return "", nil, fmt.Errorf("%s %s: unknown way to authenticate %q", e.Method, e.Path, e.Auth)
		}
		request, refs := bodyTerm(cmp.Or(e.ActualRequest, e.Request), e.Path)
		roots = append(roots, refs...)
		response, refs := bodyTerm(cmp.Or(e.ActualResponse, e.Response), e.Path)
		roots = append(roots, refs...)
		if e.Upgrade == true {
			response = "upgrade"
		}
		row := []string{e.Method, e.Path, e.Tag, door, e.statuses(), request, response}
		rows = append(rows, strings.Join(row, "\t"))
	}
	slices.SortFunc(rows, func(a, b string) int { return cmp.Or(cmp.Compare(pathOf(a), pathOf(b)), cmp.Compare(a, b)) })
	return header + strings.Join(rows, "\n") + "\n", roots, nil
}

func pathOf(row string) string { return strings.Split(row, "\t")[1] }

// statuses lists the success first, then others that are no error, then refusals that the API names.
func (e sourceEndpoint) statuses() string {
	all := []string{strconv.Itoa(cmp.Or(e.ActualStatus, e.Status))}
	for _, status := range e.AlsoStatus {
		all = append(all, strconv.Itoa(status))
	}
	if status, ok := furtherStatuses[e.Method+" "+e.Path]; ok {
		all = append(all, strconv.Itoa(status))
	}
	if _, sometimes := e.Upgrade.(string); sometimes {
		all = append(all, strconv.Itoa(http.StatusSwitchingProtocols))
	}
	return strings.Join(all, ",")
}

// bodyTerm is a media type and, for JSON and event streams, a type; with the schemas that it names. "-" is no body.
func bodyTerm(source, path string) (term string, refs []string) {
	media := "application/json"
	if strings.HasPrefix(path, "/scim/") {
		media = "application/scim+json"
	}
	if corrected, ok := corrections[source]; ok {
		media, source, _ = strings.Cut(corrected, " ")
	}
	switch source {
	case "":
		return "-", nil
	case "empty array":
		return media + " []never", nil
	case "binary", "raw bytes", "proxied":
		return "*/*", nil
	}
	if binary, ok := strings.CutPrefix(source, "binary "); ok {
		return binary, nil
	}
	if strings.Contains(source, "/") {
		return source, nil
	}
	name := strings.TrimPrefix(strings.TrimPrefix(source, "array of "), "[]")
	if name != source {
		return media + " []" + name, []string{name}
	}
	return media + " " + name, []string{name}
}
