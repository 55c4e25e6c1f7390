// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package space

import (
	"context"
	"net"
	"net/netip"
)

// Space cannot exist on this system; every call fails.
type Space struct{ Name string }

// Open fails with ErrUnsupported.
func Open(context.Context, string, bool) (*Space, error) { return nil, ErrUnsupported }

// Delete fails with ErrUnsupported.
func (s *Space) Delete(context.Context) error { return ErrUnsupported }

// Inside fails with ErrUnsupported.
func (s *Space) Inside() ([]int, error) { return nil, ErrUnsupported }

// OpenMounts fails with ErrUnsupported.
func (s *Space) OpenMounts([]Mount, uint64) (uint64, error) { return 0, ErrUnsupported }

// Enter fails with ErrUnsupported.
func (s *Space) Enter(func() error) error { return ErrUnsupported }

// Run fails with ErrUnsupported.
func (s *Space) Run(context.Context, string, ...string) error { return ErrUnsupported }

// Output fails with ErrUnsupported.
func (s *Space) Output(context.Context, string, ...string) (string, error) {
	return "", ErrUnsupported
}

// Dial fails with ErrUnsupported.
func (s *Space) Dial(context.Context, netip.AddrPort) (net.Conn, error) { return nil, ErrUnsupported }
