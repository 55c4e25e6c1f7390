// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/credentials"
	"github.com/berth-dev/berth/internal/ids"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/testing/given"
)

const (
	people, keysEach = 10_000, 3
	// roomForPeople is what the accounts and keys of so many may take of the API server's heap.
	roomForPeople = 200 << 20
)

// TestManyPeopleFit builds the cache of accounts and credentials as the server does, with its trimming and its indexes,
// from objects as the kube-apiserver sends them.
func TestManyPeopleFit(t *testing.T) {
	types := apiruntime.NewScheme()
	for _, add := range []func(*apiruntime.Scheme) error{scheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(types); err != nil {
			t.Fatal(err)
		}
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	for _, o := range kinds() {
		kind, err := apiutil.GVKForObject(o, types)
		if err != nil {
			t.Fatal(err)
		}
		mapper.Add(kind, meta.RESTScopeRoot)
	}
	before := heap()
	c, err := cache.New(&rest.Config{}, cache.Options{
		Scheme: types, Mapper: mapper, DefaultTransform: trim,
		NewInformer: func(_ toolscache.ListerWatcher, o apiruntime.Object, resync time.Duration, by toolscache.Indexers) toolscache.SharedIndexInformer {
			return toolscache.NewSharedIndexInformer(sends(t, o), o, resync, by)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := index.Register(t.Context(), c, index.All()...); err != nil {
		t.Fatal(err)
	}
	if err := credentials.IndexKeys(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	running, stop := context.WithCancel(t.Context())
	go func() { ended <- c.Start(running) }()
	if !c.WaitForCacheSync(t.Context()) {
		t.Fatal("the cache is not filled")
	}
	var secrets corev1.SecretList
	if err := c.List(t.Context(), &secrets, client.MatchingFields{credentials.KeyIndex: keyID(people-1, keysEach-1)}); err != nil || len(secrets.Items) != 1 {
		t.Fatalf("%d Secrets have the last key: %v", len(secrets.Items), err)
	}
	var users v1alpha1.UserList
	if err := c.List(t.Context(), &users, client.UnsafeDisableDeepCopy); err != nil || len(users.Items) != people {
		t.Fatalf("%d Users: %v", len(users.Items), err)
	}
	secrets, users = corev1.SecretList{}, v1alpha1.UserList{}
	taken := heap() - before
	t.Logf("%d people with %d keys each take %d MiB", people, keysEach, taken>>20)
	if taken > roomForPeople {
		t.Errorf("they take %d MiB, more than %d", taken>>20, roomForPeople>>20)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers held is free after a second one
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// sends is what the kube-apiserver answers of a kind. Of those that are not about people there is none.
func sends(t *testing.T, kind apiruntime.Object) toolscache.ListerWatcher {
	return &toolscache.ListWatch{
		ListWithContextFunc: func(context.Context, metav1.ListOptions) (apiruntime.Object, error) {
			switch kind.(type) {
			case *corev1.Secret:
				list := &corev1.SecretList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
				for i := range people {
					list.Items = append(list.Items, received(t, secret(t, i)))
				}
				return list, nil
			case *v1alpha1.User:
				list := &v1alpha1.UserList{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}
				for i := range people {
					list.Items = append(list.Items, received(t, user(i)))
				}
				return list, nil
			}
			return &metav1.List{ListMeta: metav1.ListMeta{ResourceVersion: "1"}}, nil
		},
		WatchFuncWithContext: func(_ context.Context, o metav1.ListOptions) (watch.Interface, error) {
			if o.SendInitialEvents != nil {
				return nil, apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("ListOptions").GroupKind(), "", nil) // list first
			}
			return watch.NewFake(), nil
		},
	}
}

// received is an object after its way through JSON, by which no two share their text.
func received[T any](t *testing.T, o *T) (got T) {
	data, err := json.Marshal(o)
	if err == nil {
		err = json.Unmarshal(data, &got)
	}
	if err != nil {
		t.Error(err)
	}
	return got
}

func managed(manager string, fields string) []metav1.ManagedFieldsEntry {
	return []metav1.ManagedFieldsEntry{{Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1",
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)}}
}

func uidOf(i int) types.UID {
	return types.UID(uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "user %d", i)).String())
}

func user(i int) *v1alpha1.User {
	now := metav1.Now()
	return given.User(fmt.Sprintf("person-%d", i), func(u *v1alpha1.User) {
		u.UID, u.ResourceVersion, u.Generation, u.CreationTimestamp = uidOf(i), fmt.Sprint(i), 3, now
		u.ManagedFields = managed("berth-apiserver", `{"f:spec":{"f:email":{},"f:loginType":{},"f:memberships":{},"f:id":{}}}`)
		u.Spec.ID = v1alpha1.ID(u.UID)
		u.Spec.DisplayName = fmt.Sprintf("The Person of Number %d", i)
		u.Spec.LoginType = v1alpha1.LoginTypePassword
		u.Spec.Memberships = []v1alpha1.Membership{{Organization: "platform"}}
		u.Spec.Subjects = []v1alpha1.Subject{{Kind: "User", Name: fmt.Sprintf("oidc:person-%d@example.org", i)}}
		u.Status.LastSeenAt = &now
		u.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonReady, LastTransitionTime: now}}
	})
}

func keyID(i, n int) string { return fmt.Sprintf("%08dk%d", i, n) }

// secret is a person's, as internal/credentials writes it.
func secret(t *testing.T, i int) *corev1.Secret {
	now := time.Now().UTC()
	u := user(i)
	s := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "berth-system", Name: "berth-user-" + ids.Of(u).String(), UID: types.UID(uuid.NewString()), ResourceVersion: fmt.Sprint(i),
			Labels:          map[string]string{credentials.LabelKind: credentials.KindUser, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "User", Name: u.Name, UID: u.UID}},
			ManagedFields:   managed("berth-apiserver", `{"f:data":{".":{},"f:key-a":{},"f:key-b":{},"f:key-c":{},"f:password":{}},"f:type":{}}`),
		},
		Type: "berth.dev/user-credentials",
		Data: map[string][]byte{
			"password": []byte("$argon2id$v=19$m=19456,t=2,p=1$" + strings.Repeat("a", 22) + "$" + strings.Repeat("b", 43)),
			"git-ssh":  []byte(strings.Repeat("s", 130)),
		},
	}
	for n := range keysEach {
		value, err := json.Marshal(map[string]any{"digest": []byte(strings.Repeat("d", 32)), "createdAt": now, "expiresAt": now, "lifetimeSeconds": 86400,
			"loginType": "Password", "session": true, "scope": "all", "usedAt": now, "name": "a-token-of-mine"})
		if err != nil {
			t.Error(err)
		}
		s.Data["key-"+keyID(i, n)] = value
	}
	return s
}
