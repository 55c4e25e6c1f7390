// SPDX-License-Identifier: Apache-2.0

package podtoken_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/podtoken"
)

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
