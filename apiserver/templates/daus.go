// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"context"
	"strconv"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/apiserver/httpapi"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/internal/activity"
	"github.com/berth-dev/berth/internal/fault"
)

// The zones that a client may be in, in hours from UTC.
const minOffset, maxOffset = -12, 14

// daus shows how many people used a template each day, without gaps, oldest first. Days are counted in UTC, whatever zone
// the client is in, and the answer says so. Before anything was recorded there are no days.
func (h *Handlers) daus(ctx context.Context, p store.TemplateParts, q httpapi.Query) (codersdk.DAUsResponse, error) {
	if text := q.String("tz_offset"); text != "" {
		if offset, err := strconv.Atoi(text); err != nil || offset < minOffset || offset > maxOffset {
			f := fault.New(fault.Invalid, "Query parameters have invalid values.")
			f.Fields = []fault.Field{{Path: "tz_offset", Detail: "Query param \"tz_offset\" must be a whole number of hours, -12 to 14"}}
			return codersdk.DAUsResponse{}, f
		}
	}
	days := codersdk.DAUsResponse{Entries: []codersdk.DAUEntry{}}
	record, err := h.Store.Activity(ctx, p.Template)
	if fault.Is(err, fault.NotFound) {
		return days, nil
	}
	if err != nil {
		return days, err
	}
	today := activity.On(h.Now())
	for day := today - activity.Kept + 1; day <= today; day++ {
		days.Entries = append(days.Entries, codersdk.DAUEntry{Date: day.Start(), Amount: record.On(day)})
	}
	return days, nil
}
