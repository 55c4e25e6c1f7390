// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"slices"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/internal/fault"
)

// Cut gives the part of a list that a page asks for; id is an item's id on the wire. An after_id that the list does not
// hold is an Invalid fault: nobody can tell where the page begins.
func Cut[T any](items []T, p Page, id func(T) uuid.UUID) ([]T, error) {
	if p.AfterID != uuid.Nil {
		at := slices.IndexFunc(items, func(item T) bool { return id(item) == p.AfterID })
		if at < 0 {
			f := fault.New(fault.Invalid, "Query parameters have invalid values.")
			f.Fields = []fault.Field{{Path: "after_id", Detail: "must be the id of an item of this list"}}
			return nil, f
		}
		items = items[at+1:]
	}
	items = items[min(p.Offset, len(items)):]
	if p.Limit > 0 {
		items = items[:min(p.Limit, len(items))]
	}
	return items, nil
}
