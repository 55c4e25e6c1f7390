// SPDX-License-Identifier: Apache-2.0

package host

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestListeningInode(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:403B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:403C 0100007F:A1B2 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
`
	cases := map[string]struct {
		port uint16
		want string
	}{
		"listening":      {port: 0x403B, want: "4711"},
		"only connected": {port: 0x403C},
		"nobody":         {port: 80},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := listeningInode(table, c.port); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPortFreeNamesTheOwner(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	err = PortFree(at)
	if err == nil || !strings.Contains(err.Error(), filepath.Base(os.Args[0])[:4]) && !strings.Contains(err.Error(), "cannot be listened on") {
		t.Errorf("a taken port gives %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := PortFree(at); err != nil {
		t.Errorf("a free port gives %v", err)
	}
}
