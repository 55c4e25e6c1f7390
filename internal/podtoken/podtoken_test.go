// SPDX-License-Identifier: Apache-2.0

package podtoken_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/podtoken"
)

const issuer = "https://kubernetes.default.svc"

var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// made are keys that take long to make.
var made = sync.OnceValue(func() (all struct{ rsa, other *rsa.PrivateKey }) {
	all.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	all.other, _ = rsa.GenerateKey(rand.Reader, 2048)
	return all
})

// signer is a key of a cluster and its name.
type signer struct {
	kid string
	alg jose.SignatureAlgorithm
	key any
}

// authority is a cluster's word on tokens: its issuer, its keys, and what it answers when it is asked about one.
type authority struct {
	mu            sync.Mutex
	now           time.Time
	issuer        string
	keys          []jose.JSONWebKey
	unreadable    error
	review        func(token string) (authenticationv1.TokenReviewStatus, error)
	reads, asked  int
	wantsAudience string
}

func (a *authority) Get(_ context.Context, path string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reads++
	if a.unreadable != nil {
		return nil, a.unreadable
	}
	switch path {
	case "/.well-known/openid-configuration":
		return json.Marshal(map[string]string{"issuer": a.issuer, "jwks_uri": "https://unreachable.invalid/openid/v1/jwks"})
	case "/openid/v1/jwks":
		return json.Marshal(jose.JSONWebKeySet{Keys: a.keys})
	}
	return nil, errors.New("no such path: " + path)
}

func (a *authority) Review(_ context.Context, token, audience string) (authenticationv1.TokenReviewStatus, error) {
	a.asked++
	a.wantsAudience = audience
	if a.review == nil {
		return authenticationv1.TokenReviewStatus{}, nil
	}
	return a.review(token)
}

func (a *authority) clock() time.Time { return a.now }

func newAuthority(signers ...signer) (*authority, *podtoken.Verifier) {
	a := &authority{now: start, issuer: issuer}
	for _, s := range signers {
		a.add(s)
	}
	return a, podtoken.New(a, "berth", a.clock)
}

func (a *authority) add(s signer) {
	k := jose.JSONWebKey{Key: s.key, KeyID: s.kid, Algorithm: string(s.alg), Use: "sig"}
	a.keys = append(a.keys, k.Public())
}

// claims are those of a good token, changed.
func claims(change ...func(map[string]any)) map[string]any {
	c := map[string]any{
		"iss": issuer, "sub": "system:serviceaccount:acme:berth-workspace", "aud": []string{"berth"},
		"iat": start.Unix(), "nbf": start.Unix(), "exp": start.Add(time.Hour).Unix(), "jti": "1",
		"kubernetes.io": map[string]any{
			"namespace": "acme", "pod": map[string]any{"name": "slot", "uid": "uid-1"}, "serviceaccount": map[string]any{"name": "berth-workspace", "uid": "sa"},
		},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func set(key string, value any) func(map[string]any) {
	return func(c map[string]any) {
		if value == nil {
			delete(c, key)
			return
		}
		c[key] = value
	}
}

// sign makes a token, with more headers.
func (s signer) sign(t testing.TB, claims map[string]any, headers map[string]any) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithHeader("typ", "JWT")
	if s.kid != "" {
		options.WithHeader("kid", s.kid)
	}
	for name, value := range headers {
		options.WithHeader(jose.HeaderKey(name), value)
	}
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := by.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func ours() signer { return signer{"k1", jose.RS256, made().rsa} }

func TestVerify(t *testing.T) {
	for alg, curve := range map[jose.SignatureAlgorithm]elliptic.Curve{jose.RS256: nil, jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521()} {
		t.Run(string(alg), func(t *testing.T) {
			s := ours()
			if curve != nil {
				key, err := ecdsa.GenerateKey(curve, rand.Reader)
				if err != nil {
					t.Fatal(err)
				}
				s = signer{"k1", alg, key}
			}
			a, v := newAuthority(s)
			got, err := v.Verify(t.Context(), s.sign(t, claims(), nil))
			want := podtoken.Pod{UID: "uid-1", Namespace: "acme", Name: "slot", Expires: start.Add(time.Hour)}
			if err != nil || !got.Expires.Equal(want.Expires) || got.UID != want.UID || got.Namespace != want.Namespace || got.Name != want.Name {
				t.Errorf("%+v, %v, want %+v", got, err, want)
			}
			if a.asked > 0 {
				t.Error("the cluster was asked about a token that its keys are enough for")
			}
		})
	}
}

// Whatever a token says of itself, and whichever algorithm it names, it is believed only when the cluster's key of its name
// signed it for us, for a pod, for now. None of these is even worth a question to the cluster, but for one of another issuer.
func TestAdvisory_V49_TokensAreNotBelieved(t *testing.T) {
	good := ours()
	public, err := x509.MarshalPKIXPublicKey(&made().rsa.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	none := func(alg, signature string) string {
		return part(map[string]any{"alg": alg, "kid": "k1", "typ": "JWT"}) + "." + part(claims()) + "." + signature
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	encrypter, err := jose.NewEncrypter(jose.A128GCM, jose.Recipient{Algorithm: jose.RSA_OAEP, Key: &made().rsa.PublicKey, KeyID: "k1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := encrypter.Encrypt([]byte(good.sign(t, claims(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := encrypted.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	whole := good.sign(t, claims(), nil)
	parts := strings.Split(whole, ".")
	changed := func(change ...func(map[string]any)) string { return good.sign(t, claims(change...), nil) }
	kubernetes := func(k any) string { return changed(set("kubernetes.io", k)) }

	tests := map[string]struct {
		token     string
		wantAsked int
	}{
		"nothing":                         {token: ""},
		"no token":                        {token: "0123456789-0123456789012345678901"},
		"alg none":                        {token: none("none", "")},
		"alg None, with a signature":      {token: none("None", parts[2])},
		"no alg":                          {token: none("", parts[2])},
		"HMAC with the public key":        {token: signer{"k1", jose.HS256, asPEM}.sign(t, claims(), nil)},
		"HMAC with the public key's DER":  {token: signer{"k1", jose.HS256, public}.sign(t, claims(), nil)},
		"PSS by the right key":            {token: signer{"k1", jose.PS256, made().rsa}.sign(t, claims(), nil)},
		"another hash by the right key":   {token: signer{"k1", jose.RS512, made().rsa}.sign(t, claims(), nil)},
		"another key of the name":         {token: signer{"k1", jose.RS256, made().other}.sign(t, claims(), nil)},
		"another type of key of the name": {token: signer{"k1", jose.ES256, ec}.sign(t, claims(), nil)},
		"an unknown kid":                  {token: signer{"k9", jose.RS256, made().rsa}.sign(t, claims(), nil)},
		"no kid":                          {token: signer{"", jose.RS256, made().rsa}.sign(t, claims(), nil)},
		"its own key in the header": {token: signer{"k9", jose.RS256, made().other}.sign(t, claims(), map[string]any{
			"jwk": jose.JSONWebKey{Key: &made().other.PublicKey, KeyID: "k9"}, "jku": "https://evil.example/keys"})},
		"an extension that must be understood": {token: good.sign(t, claims(), map[string]any{"crit": []string{"x"}, "x": 1})},
		"encrypted":                            {token: jwe},
		"as JSON":                              {token: `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`},
		"without its signature":                {token: parts[0] + "." + parts[1] + "."},
		"other claims":                         {token: parts[0] + "." + part(claims(set("jti", "2"))) + "." + parts[2]},
		"four parts":                           {token: whole + ".x"},
		"spaces":                               {token: " " + whole},
		"too long":                             {token: changed(set("more", strings.Repeat("x", 16<<10)))},
		"another issuer":                       {token: changed(set("iss", "https://evil.example")), wantAsked: 1},
		"no issuer":                            {token: changed(set("iss", nil)), wantAsked: 1},
		"another audience":                     {token: changed(set("aud", []string{"vault"}))},
		"another audience too":                 {token: changed(set("aud", []string{"berth", "vault"}))},
		"an audience that begins alike":        {token: changed(set("aud", []string{"berth.example"}))},
		"no audience":                          {token: changed(set("aud", nil))},
		"the cluster's own audience":           {token: changed(set("aud", []string{issuer}))},
		"over":                                 {token: changed(set("exp", start.Add(-61*time.Second).Unix()), set("iat", start.Add(-2*time.Hour).Unix()), set("nbf", start.Add(-2*time.Hour).Unix()))},
		"not yet":                              {token: changed(set("nbf", start.Add(61*time.Second).Unix()))},
		"made in the future":                   {token: changed(set("iat", start.Add(2*time.Minute).Unix()))},
		"without an end":                       {token: changed(set("exp", nil))},
		"an end that is no number":             {token: changed(set("exp", "never"))},
		"an end beyond time":                   {token: changed(set("exp", json.Number("1e300")))},
		"bound to no pod":                      {token: kubernetes(map[string]any{"namespace": "acme", "serviceaccount": map[string]any{"name": "berth-workspace", "uid": "sa"}})},
		"bound to a Secret":                    {token: kubernetes(map[string]any{"namespace": "acme", "secret": map[string]any{"name": "s", "uid": "uid-1"}})},
		"a pod without a uid":                  {token: kubernetes(map[string]any{"namespace": "acme", "pod": map[string]any{"name": "slot"}})},
		"a pod without a namespace":            {token: kubernetes(map[string]any{"pod": map[string]any{"name": "slot", "uid": "uid-1"}})},
		"a pod in another spelling":            {token: kubernetes(map[string]any{"namespace": "acme", "POD": map[string]any{"name": "slot", "uid": "uid-1"}})},
		"no word of Kubernetes":                {token: kubernetes(nil)},
		"a list for claims":                    {token: parts[0] + "." + part([]int{1}) + "." + parts[2]},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, v := newAuthority(good)
			pod, err := v.Verify(t.Context(), test.token)
			if !fault.Is(err, fault.Unauthenticated) || pod != (podtoken.Pod{}) {
				t.Fatalf("%+v, %v", pod, err)
			}
			if a.asked != test.wantAsked {
				t.Errorf("the cluster was asked %d times, want %d", a.asked, test.wantAsked)
			}
			f, _ := fault.As(err)
			if said := f.Error() + f.Detail + f.Cause.Error(); test.token != "" && strings.Contains(said, test.token) || strings.Contains(said, parts[1]) {
				t.Errorf("the refusal repeats the token: %s", said)
			}
		})
	}
}

// Clocks may be a minute apart, and no more.
func TestLeeway(t *testing.T) {
	s := ours()
	_, v := newAuthority(s)
	for name, c := range map[string]map[string]any{
		"just over":    claims(set("exp", start.Add(-59*time.Second).Unix()), set("nbf", start.Add(-time.Hour).Unix()), set("iat", start.Add(-time.Hour).Unix())),
		"just not yet": claims(set("nbf", start.Add(59*time.Second).Unix()), set("iat", start.Add(59*time.Second).Unix())),
		"no nbf":       claims(set("nbf", nil), set("iat", nil)),
	} {
		if _, err := v.Verify(t.Context(), s.sign(t, c, nil)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Keys are read when they are needed: once, again for a name that is new but not more often than every ten seconds, and
// every ten minutes, so that a key that was taken away counts no more.
func TestAdvisory_V49_KeysComeAndGo(t *testing.T) {
	first, second := ours(), signer{"k2", jose.RS256, made().other}
	a, v := newAuthority(first)
	verify := func(s signer) error {
		_, err := v.Verify(t.Context(), s.sign(t, claims(set("exp", start.Add(10*time.Hour).Unix())), nil))
		return err
	}
	reads := func() int { n := a.reads / 2; a.reads = 0; return n }
	if err := verify(first); err != nil || reads() != 1 {
		t.Fatal(err)
	}
	a.add(second)
	for range 5 {
		if err := verify(second); !fault.Is(err, fault.Unauthenticated) {
			t.Fatal(err)
		}
	}
	if n := reads(); n != 0 {
		t.Fatalf("%d reads within ten seconds of the last", n)
	}
	a.now = a.now.Add(10 * time.Second)
	if err := verify(second); err != nil || reads() != 1 {
		t.Fatal(err)
	}
	a.keys = a.keys[1:]
	if err := verify(first); err != nil || reads() != 0 {
		t.Fatalf("%v: keys were read again too soon", err)
	}
	a.now = a.now.Add(10 * time.Minute)
	if err := verify(first); !fault.Is(err, fault.Unauthenticated) || reads() != 1 {
		t.Fatalf("%v: a key that was taken away still counts", err)
	}
	// While they can't be read, those that are known go on for an hour; then the cluster is asked.
	a.unreadable = errors.New("no route to host")
	a.now = a.now.Add(59 * time.Minute)
	if err := verify(second); err != nil || a.asked != 0 {
		t.Fatal(err)
	}
	a.now = a.now.Add(2 * time.Minute)
	if err := verify(second); !fault.Is(err, fault.Unauthenticated) || a.asked != 1 {
		t.Fatalf("%v: %d questions", err, a.asked)
	}
}

// Many that come at once while nothing is known share one read.
func TestKeysAreReadOnce(t *testing.T) {
	s := ours()
	a, v := newAuthority(s)
	token := s.sign(t, claims(), nil)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if a.reads != 2 {
		t.Errorf("%d reads, want the document and the keys once", a.reads)
	}
}

// vouch is a TokenReview that vouches for the good claims.
func vouch(change func(*authenticationv1.TokenReviewStatus)) func(string) (authenticationv1.TokenReviewStatus, error) {
	return func(string) (authenticationv1.TokenReviewStatus, error) {
		s := authenticationv1.TokenReviewStatus{
			Authenticated: true, Audiences: []string{"berth"},
			User: authenticationv1.UserInfo{
				Username: "system:serviceaccount:acme:berth-workspace",
				Extra:    map[string]authenticationv1.ExtraValue{"authentication.kubernetes.io/pod-uid": {"uid-1"}, "authentication.kubernetes.io/pod-name": {"slot"}},
			},
		}
		if change != nil {
			change(&s)
		}
		return s, nil
	}
}

// Where the keys can't be read the cluster is asked, once a token; its word counts only for what it really says.
func TestAdvisory_V49_TheClusterIsAskedOnce(t *testing.T) {
	s := ours()
	token := s.sign(t, claims(), nil)
	for name, change := range map[string]func(*authenticationv1.TokenReviewStatus){
		"not known":        func(s *authenticationv1.TokenReviewStatus) { s.Authenticated = false },
		"no audience":      func(s *authenticationv1.TokenReviewStatus) { s.Audiences = nil },
		"another audience": func(s *authenticationv1.TokenReviewStatus) { s.Audiences = []string{"vault"} },
		"another pod": func(s *authenticationv1.TokenReviewStatus) {
			s.User.Extra["authentication.kubernetes.io/pod-uid"] = []string{"uid-2"}
		},
		"no pod":   func(s *authenticationv1.TokenReviewStatus) { s.User.Extra = nil },
		"a person": func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "alice" },
		"another namespace": func(s *authenticationv1.TokenReviewStatus) {
			s.User.Username = "system:serviceaccount:other:berth-workspace"
		},
		"a namespace that begins": func(s *authenticationv1.TokenReviewStatus) { s.User.Username = "system:serviceaccount:acme2:x" },
	} {
		a, v := newAuthority(s)
		a.unreadable, a.review = errors.New("forbidden"), vouch(change)
		if pod, err := v.Verify(t.Context(), token); !fault.Is(err, fault.Unauthenticated) || pod.UID != "" {
			t.Errorf("%s: %+v, %v", name, pod, err)
		}
	}

	a, v := newAuthority(s)
	a.unreadable, a.review = errors.New("forbidden"), vouch(nil)
	for range 3 {
		if pod, err := v.Verify(t.Context(), token); err != nil || pod.UID != "uid-1" {
			t.Fatalf("%+v, %v", pod, err)
		}
	}
	if a.asked != 1 || a.wantsAudience != "berth" {
		t.Errorf("asked %d times, for the audience %q", a.asked, a.wantsAudience)
	}
	v.Forget("uid-2")
	v.Forget("uid-1")
	a.review = vouch(func(s *authenticationv1.TokenReviewStatus) { s.Authenticated = false })
	if _, err := v.Verify(t.Context(), token); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("what was known of a pod that is gone still counts: %v", err)
	}
	a.now = start.Add(2 * time.Hour)
	if _, err := v.Verify(t.Context(), token); !fault.Is(err, fault.Unauthenticated) || a.asked != 2 {
		t.Errorf("a token that is over: %v, %d questions", err, a.asked)
	}
}

// When the cluster can't be asked either, nothing is said about the token; and strangers can't have us ask without end.
func TestAdvisory_V49_NothingIsKnown(t *testing.T) {
	s := ours()
	a, v := newAuthority(s)
	a.unreadable = errors.New("no route to host")
	a.review = func(string) (authenticationv1.TokenReviewStatus, error) {
		return authenticationv1.TokenReviewStatus{}, errors.New("no route to host")
	}
	for range 200 {
		if _, err := v.Verify(t.Context(), s.sign(t, claims(), nil)); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
	}
	if a.asked > 60 {
		t.Errorf("asked %d times", a.asked)
	}
}

// FuzzVerify: no bytes make a token good, nothing panics, and no refusal repeats what was sent.
func FuzzVerify(f *testing.F) {
	s := ours()
	_, v := newAuthority(s)
	good := s.sign(f, claims(), nil)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add(signer{"k1", jose.HS256, []byte("secret-secret-secret-secret-secret")}.sign(f, claims(), nil))
	f.Fuzz(func(t *testing.T, token string) {
		pod, err := v.Verify(t.Context(), token)
		if err == nil {
			// base64 has several spellings of the last bits; whatever is taken says what was signed.
			parts, signed := strings.Split(token, "."), strings.Split(good, ".")
			if len(parts) != 3 || parts[0] != signed[0] || parts[1] != signed[1] || pod.UID != "uid-1" {
				t.Fatalf("taken: %q", token)
			}
			return
		}
		said, ok := fault.As(err)
		if !ok || said.Kind != fault.Unauthenticated && said.Kind != fault.Unavailable {
			t.Fatal(err)
		}
		if sum := sha256.Sum256([]byte(token)); len(token) > 20 && (strings.Contains(said.Cause.Error(), token) || strings.Contains(said.Cause.Error(), hex.EncodeToString(sum[:]))) {
			t.Fatalf("the refusal repeats the token: %v", said.Cause)
		}
	})
}
