// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/gomega"

	"github.com/berth-dev/berth/api/agentsdk"
	"github.com/berth-dev/berth/internal/script"
)

// Texts that must never turn up where anybody could read them.
const (
	canaryToken  = "canary-token-1"
	canarySecret = "canary-secret"
	canaryEnv    = "canary-env"
)

// coming is one connection of an agent to the server of a test.
type coming struct {
	token, secret, name string
	conn                *websocket.Conn
	// answer ends it: what was not upgraded is answered with this status.
	done chan struct{}
}

// holdServer is a server at which agents wait. accept tells whether a request is upgraded; where it writes an answer itself
// it is not.
func holdServer(t *testing.T, accept func(http.ResponseWriter, *http.Request) bool) (o *Hold, comings chan *coming) {
	t.Helper()
	comings = make(chan *coming, 16)
	var open sync.WaitGroup
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Done()
		if r.URL.Path != agentsdk.HoldPath || accept != nil && !accept(w, r) {
			return
		}
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		c := &coming{r.Header.Get(agentsdk.TokenHeader), r.Header.Get(agentsdk.SecretHeader), r.URL.Query().Get(agentsdk.AgentParameter), conn, make(chan struct{})}
		comings <- c
		<-c.done
		_ = conn.CloseNow() // most tests have closed it
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(canaryToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return &Hold{Name: "main", URL: s.URL, CA: string(ca), Token: token}, comings
}

// next is the next connection.
func next(r *running, comings chan *coming) *coming {
	var c *coming
	r.Eventually(comings).WithTimeout(20 * time.Second).Should(Receive(&c))
	return c
}

func (c *coming) cut() { _ = c.conn.CloseNow(); close(c.done) }

// tell sends the claim.
func (c *coming) tell(r *running, env ...agentsdk.EnvVar) {
	text, err := json.Marshal(agentsdk.Claim{Secret: canarySecret, Env: env})
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(c.conn.Write(context.Background(), websocket.MessageText, text)).To(Succeed())
}

// taken waits until the agent says that it has taken it.
func (c *coming) taken(r *running) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, _, err := c.conn.Read(ctx)
	r.Expect(err).NotTo(HaveOccurred())
}

func (c *coming) finish(r *running) {
	_ = c.conn.Close(websocket.StatusNormalClosure, "") // the agent may be faster
	close(c.done)
}

// printer is a command that says what of its environment it has, and then stays.
func printer() []string {
	return shell(`echo "WHOSE=$WHOSE OWNER=$BERTH_OWNER_NAME URL=$BERTH_URL CA=$BERTH_CA HOME=$HOME"; echo up $$; exec sleep 600`)
}

func TestHoldUntilClaimed(t *testing.T) {
	t.Parallel()
	hold, comings := holdServer(t, nil)
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "0"), []byte(`echo "starts for $BERTH_OWNER_NAME with URL=$BERTH_URL" >&2`), 0o644); err != nil {
		t.Fatal(err)
	}
	r := play(t, Options{Hold: hold, Command: printer(), ScriptsFrom: from,
		Scripts: []script.Script{{Name: "clone", From: "0", At: script.AtStart, Blocks: true}, {Name: "save", From: "0", At: script.AtStop}}})
	c := next(r, comings)
	r.Expect([]string{c.token, c.secret, c.name}).To(Equal([]string{canaryToken, "", "main"}))
	r.untilReady()
	r.Expect(r.stdout.String()).To(BeEmpty(), "nothing runs before the claim")
	r.Expect(r.stderr.String()).NotTo(ContainSubstring("starts"), "nor does a script")
	home := t.TempDir()
	c.tell(r, agentsdk.EnvVar{Name: "WHOSE", Value: canaryEnv + " $(X) $$"}, agentsdk.EnvVar{Name: "BERTH_OWNER_NAME", Value: "ada"}, agentsdk.EnvVar{Name: "HOME", Value: home})
	c.taken(r)
	command := r.number("up")
	r.Expect(r.stdout.String()).To(ContainSubstring("WHOSE=" + canaryEnv + " $(X) $$ OWNER=ada URL= CA= HOME=" + home))
	r.Expect(Ready(r.state)).To(Succeed(), "it was ready before, and nobody waits for a script that blocks")
	r.untilTold("[clone] starts for ada with URL=\n")

	// V 6, V 7: the secret is in no environment, file or log, and what was told in none that others can read.
	for _, pid := range []int{r.pid, command} {
		environment, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(string(environment)).NotTo(ContainSubstring(canarySecret))
		arguments, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
		r.Expect(err).NotTo(HaveOccurred())
		r.Expect(string(arguments)).NotTo(ContainSubstring(canarySecret))
	}
	r.Expect(filepath.WalkDir(filepath.Dir(r.state), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		r.Expect(string(text)).NotTo(ContainSubstring(canarySecret), path)
		if info, _ := entry.Info(); strings.Contains(string(text), canaryEnv) {
			r.Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)), path)
		}
		return err
	})).To(Succeed())
	c.finish(r)
	r.send(syscall.SIGTERM)
	r.exits(0)
	for _, canary := range []string{canaryToken, canarySecret, canaryEnv} {
		r.Expect(r.stderr.String()).NotTo(ContainSubstring(canary))
	}
	r.Expect(comings).To(BeEmpty(), "it came again after the server had noted that it came")
}

// Wherever the connection is cut, the agent comes again: with its token until it was told, with its secret until it is known
// that it was. It starts the command once.
func TestHoldSurvivesCuts(t *testing.T) {
	t.Parallel()
	var refusals atomic.Int32
	hold, comings := holdServer(t, func(w http.ResponseWriter, r *http.Request) bool {
		if refusals.Add(1) > 2 {
			return true
		}
		w.Header().Set("Retry-After", "1")
		http.Error(w, "who said "+r.Header.Get(agentsdk.TokenHeader), http.StatusUnauthorized)
		return false
	})
	r := play(t, Options{Hold: hold, Command: printer()})
	next(r, comings).cut()
	r.untilReady()
	r.Expect(os.WriteFile(hold.Token, []byte("canary-token-2"), 0o600)).To(Succeed())
	c := next(r, comings)
	r.Expect(c.token).To(Equal("canary-token-2"), "the token is read anew")
	c.tell(r, agentsdk.EnvVar{Name: "WHOSE", Value: canaryEnv})
	c.taken(r)
	c.cut()
	r.number("up")
	for range 2 {
		c = next(r, comings)
		r.Expect([]string{c.token, c.secret}).To(Equal([]string{"canary-token-2", canarySecret}))
		c.cut()
	}
	next(r, comings).finish(r)
	r.send(syscall.SIGTERM)
	r.exits(0)
	r.Expect(strings.Count(r.stdout.String(), "up ")).To(Equal(1))
	r.Expect(r.stderr.String()).To(ContainSubstring("answers 401"))
	for _, canary := range []string{canaryToken, "canary-token-2", canarySecret, canaryEnv} {
		r.Expect(r.stderr.String()).NotTo(ContainSubstring(canary))
	}
}

// A container that starts again in a pod that was claimed goes on as whose it is, and asks nobody.
func TestHoldAgainAfterTheClaim(t *testing.T) {
	t.Parallel()
	hold, comings := holdServer(t, nil)
	first := play(t, Options{Hold: hold, Command: shell(`echo "WHOSE=$WHOSE"; exit 3`)})
	c := next(first, comings)
	c.tell(first, agentsdk.EnvVar{Name: "WHOSE", Value: "ada's"})
	c.taken(first)
	first.exits(3)
	c.finish(first)
	again := play(t, Options{Hold: hold, State: first.state, Command: printer()})
	again.untilSaid("WHOSE=ada's OWNER= URL= CA=")
	again.Expect(comings).To(BeEmpty())
	again.send(syscall.SIGTERM)
	again.exits(0)
}

// Another user of the pod can't tell an agent whose it is.
func TestAdvisory_V19_AForeignClaimIsNotRead(t *testing.T) {
	t.Parallel()
	good := `[{"name":"LD_PRELOAD","value":"/evil.so"}]`
	for name, make := range map[string]func(path string) error{
		"open to others": func(path string) error { return os.WriteFile(path, []byte(good), 0o644) },
		"a link": func(path string) error {
			other := filepath.Join(t.TempDir(), "other")
			if err := os.WriteFile(other, []byte(good), 0o600); err != nil {
				return err
			}
			return os.Symlink(other, path)
		},
		"a pipe":  func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"damaged": func(path string) error { return os.WriteFile(path, []byte(good[:20]), 0o600) },
	} {
		path := filepath.Join(t.TempDir(), "main.claim")
		if err := make(path); err != nil {
			t.Fatal(err)
		}
		if env, err := readClaimed(path); err == nil {
			t.Errorf("%s: %v", name, env)
		}
	}
}

func TestHoldEndsWhenAsked(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		hold, comings := holdServer(t, nil)
		r := play(t, Options{Hold: hold, Command: printer(), Scripts: []script.Script{{Name: "save", From: "0", At: script.AtStop}}})
		c := next(r, comings)
		r.untilReady()
		r.send(signal)
		r.exits(0)
		r.Expect(r.stderr.String()).NotTo(ContainSubstring("save"), "what was nobody's has nothing to save")
		close(c.done)
		r.Expect(Ready(r.state)).To(MatchError(ErrNotReady))
	}
}

// The token is for the one server whose certificate the CA vouches for: no proxy, redirect or other server gets it.
func TestAdvisory_V45_TheTokenGoesToOneServer(t *testing.T) {
	t.Parallel()
	var got atomic.Int32
	thief := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get(agentsdk.TokenHeader) != "" {
			got.Add(1)
		}
	}))
	t.Cleanup(thief.Close)
	var redirected atomic.Int32
	hold, _ := holdServer(t, func(w http.ResponseWriter, r *http.Request) bool {
		redirected.Add(1)
		http.Redirect(w, r, thief.URL+agentsdk.HoldPath, http.StatusTemporaryRedirect)
		return false
	})
	r := play(t, Options{Hold: hold})
	r.Eventually(redirected.Load).WithTimeout(20 * time.Second).Should(BeNumerically(">", 1))
	r.send(syscall.SIGTERM)
	r.exits(0)

	der, err := selfSigned()
	r.Expect(err).NotTo(HaveOccurred())
	elsewhere := *hold
	elsewhere.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	r = play(t, Options{Hold: &elsewhere})
	r.Eventually(r.stderr.String).WithTimeout(20 * time.Second).Should(ContainSubstring("certificate"))
	r.send(syscall.SIGTERM)
	r.exits(0)
	if got.Load() > 0 {
		t.Error("another server got the token")
	}
	for name, change := range map[string]func(*Hold){
		"plain http": func(h *Hold) { h.URL = strings.Replace(h.URL, "https", "http", 1) },
		"no URL":     func(h *Hold) { h.URL = "" },
		"no CA":      func(h *Hold) { h.CA = "" },
	} {
		wrong := *hold
		change(&wrong)
		r := play(t, Options{Hold: &wrong})
		r.exits(1)
		r.Expect(r.stderr.String()).To(ContainSubstring("BERTH_"), name)
	}
}

// V 30: an agent that waits opens no port.
func TestAdvisory_V30_HoldOpensNoPort(t *testing.T) {
	t.Parallel()
	hold, comings := holdServer(t, nil)
	r := play(t, Options{Hold: hold, Command: printer()})
	c := next(r, comings)
	r.untilReady()
	check := func() {
		mine := map[string]bool{}
		files, err := os.ReadDir("/proc/" + strconv.Itoa(r.pid) + "/fd")
		r.Expect(err).NotTo(HaveOccurred())
		for _, f := range files {
			if target, err := os.Readlink("/proc/" + strconv.Itoa(r.pid) + "/fd/" + f.Name()); err == nil {
				mine[target] = true
			}
		}
		for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
			text, err := os.ReadFile("/proc/" + strconv.Itoa(r.pid) + "/net/" + table)
			r.Expect(err).NotTo(HaveOccurred())
			for line := range strings.Lines(string(text)) {
				f := strings.Fields(line)
				if len(f) < 10 || !mine["socket:["+f[9]+"]"] {
					continue
				}
				r.Expect(f[3]).To(Equal("01"), "state of %s: it is no connection that is up", line)
			}
		}
	}
	check()
	c.tell(r)
	c.taken(r)
	r.number("up")
	check()
	c.finish(r)
	r.send(syscall.SIGTERM)
	r.exits(0)
}

// selfSigned is a certificate that another server has.
func selfSigned() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
}
