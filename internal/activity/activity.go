// SPDX-License-Identifier: Apache-2.0

// Package activity counts who used something on which day: how many people a day, and how many in some days together. A
// record holds the last days only and people by an id that tells nothing of them, so it is small, it expires by itself, and
// two who hold the same record count the same. What counts as use, and where a record is kept, is its callers' to decide.
package activity

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/google/uuid"
)

const (
	// Kept is how many days a record holds, the newest included.
	Kept = 60
	// Window is how many days count as lately.
	Window = 30
	// MaxPeople is how many people a record holds; of more, those are dropped who were active longest ago.
	MaxPeople = 20_000
)

// Day is a day in UTC, counted from 1 January 1970.
type Day int64

// On is the day of a time.
func On(t time.Time) Day {
	const day = 24 * 60 * 60
	seconds := t.Unix()
	if seconds < 0 {
		seconds -= day - 1
	}
	return Day(seconds / day)
}

// Start is the day's midnight.
func (d Day) Start() time.Time { return time.Unix(int64(d)*24*60*60, 0).UTC() }

// Record is who was active on which day. The zero value is an empty one.
type Record struct {
	newest Day
	// people has a bit for each day: bit 0 for the newest, bit 1 for the day before.
	people map[uuid.UUID]uint64
}

// Person is the id of a User in records, by metadata.name.
func Person(user string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("berth.dev/activity\x00"+user))
}

// Mark notes that somebody was active on a day, and tells whether that is news. A day that a record of today would not
// hold any more, or that is yet to come, is none.
func (r *Record) Mark(person uuid.UUID, day, today Day) bool {
	if day > today || day <= today-Kept {
		return false
	}
	if r.people == nil {
		r.people = map[uuid.UUID]uint64{}
	}
	if len(r.people) == 0 {
		r.newest = day
	}
	if day > r.newest {
		r.shift(day)
	}
	age := r.newest - day
	if age >= Kept {
		return false
	}
	bit := uint64(1) << uint(age)
	if r.people[person]&bit != 0 {
		return false
	}
	if _, known := r.people[person]; !known && len(r.people) >= MaxPeople {
		r.dropOne()
	}
	r.people[person] |= bit
	return true
}

// shift makes a later day the newest, and forgets what is too old by then.
func (r *Record) shift(newest Day) {
	by := newest - r.newest
	r.newest = newest
	maps.DeleteFunc(r.people, func(person uuid.UUID, days uint64) bool {
		if by >= Kept {
			return true
		}
		r.people[person] = days << uint(by) & (1<<Kept - 1)
		return r.people[person] == 0
	})
}

// dropOne forgets who was active longest ago.
func (r *Record) dropOne() {
	var oldest uuid.UUID
	age := -1
	for person, days := range r.people {
		if last := bits.TrailingZeros64(days); last > age || last == age && bytes.Compare(person[:], oldest[:]) < 0 {
			oldest, age = person, last
		}
	}
	delete(r.people, oldest)
}

// Active is how many people were active on at least one of the last days, today included.
func (r *Record) Active(today Day, days int) int {
	n := 0
	for _, marked := range r.people {
		if marked&r.mask(today-Day(days)+1, today) != 0 {
			n++
		}
	}
	return n
}

// On is how many people were active on a day.
func (r *Record) On(day Day) int {
	n, mask := 0, r.mask(day, day)
	for _, marked := range r.people {
		if marked&mask != 0 {
			n++
		}
	}
	return n
}

// mask has the bits of the days from one to another, as far as the record holds them.
func (r *Record) mask(from, to Day) uint64 {
	var mask uint64
	for day := max(from, r.newest-Kept+1); day <= min(to, r.newest); day++ {
		mask |= 1 << uint(r.newest-day)
	}
	return mask
}

// version is the first byte of a record's form.
const version = 1

const (
	headLength   = 1 + 8
	personLength = 16 + 8
)

// Encode gives the record's form: the same bytes for the same record.
func (r *Record) Encode() []byte {
	out := make([]byte, 0, headLength+len(r.people)*personLength)
	out = binary.BigEndian.AppendUint64(append(out, version), uint64(r.newest))
	people := slices.SortedFunc(maps.Keys(r.people), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	for _, person := range people {
		out = binary.BigEndian.AppendUint64(append(out, person[:]...), r.people[person])
	}
	return out
}

// Decode reads what Encode gave. Nothing at all is an empty record.
func Decode(data []byte) (*Record, error) {
	r := &Record{people: map[uuid.UUID]uint64{}}
	switch {
	case len(data) == 0:
		return r, nil
	case len(data) < headLength || data[0] != version || (len(data)-headLength)%personLength != 0:
		return nil, errors.New("no record of activity")
	case (len(data)-headLength)/personLength > MaxPeople:
		return nil, errors.New("a record of activity of too many people")
	}
	r.newest = Day(binary.BigEndian.Uint64(data[1:]))
	for data = data[headLength:]; len(data) > 0; data = data[personLength:] {
		r.people[uuid.UUID(data[:16])] = binary.BigEndian.Uint64(data[16:]) & (1<<Kept - 1)
	}
	return r, nil
}
