// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package host

import (
	"context"
	"errors"
)

var errNotLinux = errors.New("not Linux")

// CanRunPods fails: real pods need Linux.
func CanRunPods() error { return errNotLinux }

// CheckKernel fails: a node needs Linux.
func CheckKernel(context.Context) error { return errNotLinux }

// CheckDisk knows nothing of this system's disks and finds nothing wrong.
func CheckDisk(string, uint64, string) error { return nil }

// Snapshotter is of no use without containerd.
func Snapshotter(string) string { return "native" }

// Cgroups does not exist on this system.
type Cgroups struct{ Name string }

// Make fails: cgroups need Linux.
func (Cgroups) Make() error { return errNotLinux }

// Processes finds none.
func (Cgroups) Processes() ([]int, error) { return nil, nil }

// Remove has nothing to remove.
func (Cgroups) Remove() error { return nil }

func unmount(string) error { return errNotLinux }
