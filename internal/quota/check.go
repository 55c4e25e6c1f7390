// SPDX-License-Identifier: Apache-2.0

package quota

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/fault"
)

// Check judges a start: before is what the workspace takes now, after what it would take, and others are the other
// workspaces that Scope asks for. A start that costs no more than before passes, however far over the budget its owner
// is, and so does one of a workspace that a cap counts already.
func (r Rules) Check(before, after Use, others []Use) *fault.Error {
	if f := r.affords(before, after, others); f != nil {
		return f
	}
	for _, l := range r.limits() {
		had, has := before.Running, after.Running
		if l.kept {
			had, has = before.Kept, after.Kept
		}
		if had || !has {
			continue
		}
		if n := l.count(r, others); n >= l.most {
			return l.refuse(n)
		}
	}
	return nil
}

// affords holds the owner to the budget.
func (r Rules) affords(before, after Use, others []Use) *fault.Error {
	budget := r.Budget()
	if budget == Unlimited || after.Cost <= before.Cost {
		return nil
	}
	sum := int64(0)
	var own []Use
	for _, u := range others {
		if u.Owner == r.Owner {
			sum += u.Cost
			own = append(own, u)
		}
	}
	over := sum + after.Cost - budget
	if over <= 0 {
		return nil
	}
	message := fmt.Sprintf("%s would reach %d of %d credits a day: other workspaces %d + this %d.", r.Owner, sum+after.Cost, budget, sum, after.Cost)
	switch stop := freeing(own, over); {
	case after.Cost > budget:
		message += " It alone costs more than the budget; choose less."
	case len(stop) > 0:
		message += " To free enough: kubectl berth stop " + strings.Join(stop, " ") + "."
	default:
		message += " Stopping the others does not free enough; delete one."
	}
	return refuse("%s", message)
}

func (l limit) count(r Rules, others []Use) int64 {
	n := int64(0)
	for _, u := range others {
		if l.counts(r, u) && (u.Running && !l.kept || u.Kept && l.kept) {
			n++
		}
	}
	return n
}

func (l limit) refuse(n int64) *fault.Error {
	what, remedy := "running", "stop one first"
	if l.kept {
		what, remedy = "kept, running or stopped", "delete one first"
	}
	return refuse("%s would have %d of %d workspaces %s (%s of %s); %s.", l.who, n+1, l.most, what, l.path, l.object, remedy)
}

func refuse(format string, args ...any) *fault.Error {
	return fault.New(fault.Forbidden, format, args...).Because(v1alpha1.ReasonQuotaExceeded)
}

// mostNamed is how many workspaces a message asks to stop.
const mostNamed = 4

// freeing names the workspaces whose stop frees enough, with what each frees: the one that frees least of those that
// suffice alone, else the dearest ones together. It is empty when no few of them suffice.
func freeing(own []Use, over int64) []string {
	own = slices.DeleteFunc(slices.Clone(own), func(u Use) bool { return !u.Running || u.Cost <= u.Idle })
	slices.SortFunc(own, func(a, b Use) int { return cmp.Or(cmp.Compare(a.frees(), b.frees()), cmp.Compare(a.Name, b.Name)) })
	if i := slices.IndexFunc(own, func(u Use) bool { return u.frees() >= over }); i >= 0 {
		return []string{own[i].stop()}
	}
	slices.Reverse(own)
	var names []string
	for _, u := range own {
		names, over = append(names, u.stop()), over-u.frees()
		if over <= 0 && len(names) <= mostNamed {
			return names
		}
	}
	return nil
}

func (u Use) frees() int64 { return u.Cost - u.Idle }

func (u Use) stop() string { return fmt.Sprintf("%s/%s (%d)", u.Owner, u.Name, u.frees()) }
