// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/apiserver/store"
	"github.com/berth-dev/berth/controllers/user"
	"github.com/berth-dev/berth/internal/claims"
	"github.com/berth-dev/berth/internal/fault"
	"github.com/berth-dev/berth/internal/testing/cluster"
)

// naming is a way to give a name that nobody else may have.
type naming struct {
	// give asks for it once.
	give func(ctx context.Context, s *store.Store, name string) error
	// all are the objects of the kind.
	all client.ObjectList
}

// namings are the ways; organization is where the groups are.
func namings(organization *v1alpha1.Organization) map[string]naming {
	return map[string]naming{
		"a user": {all: &v1alpha1.UserList{}, give: func(ctx context.Context, s *store.Store, name string) error {
			_, err := s.CreateUser(ctx, store.NewUser{
				Username: name, Email: name + "@example.org", LoginType: v1alpha1.LoginTypePassword, Organization: organization.Name, CreatedBy: "ada",
				SetPassword: func(ctx context.Context, u *v1alpha1.User) error {
					return client.IgnoreAlreadyExists(s.Live().Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "of-" + u.Name}}))
				},
			})
			return err
		}},
		"a group": {all: &v1alpha1.GroupList{}, give: func(ctx context.Context, s *store.Store, name string) error {
			_, err := s.CreateGroup(ctx, organization, name, "ada", v1alpha1.GroupSpec{})
			return err
		}},
		"an organization": {all: &v1alpha1.OrganizationList{}, give: func(ctx context.Context, s *store.Store, name string) error {
			_, err := s.CreateOrganization(ctx, name, "ada")
			return err
		}},
	}
}

// unlucky is a store of its own whose requests go by l.
func unlucky(ctx context.Context, l *cluster.Luckless) *store.Store {
	GinkgoHelper()
	config := rest.CopyConfig(env.Config)
	config.Wrap(l.Wrap)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	DeferCleanup(cancel)
	s, err := store.New(running, store.Options{Config: config, Namespace: "default"})
	Expect(err).NotTo(HaveOccurred())
	go func() {
		defer GinkgoRecover()
		Expect(s.Start(running)).To(Succeed())
	}()
	Expect(s.Synced(ctx)).To(BeTrue())
	return s
}

// leases are the claims that there are of a name, each in words.
func leases(ctx context.Context, name string) []string {
	GinkgoHelper()
	var all coordinationv1.LeaseList
	Expect(env.Client.List(ctx, &all, client.InNamespace("default"), client.HasLabels{claims.LabelKind})).To(Succeed())
	found := []string{}
	for i := range all.Items {
		claim := claims.Of(&all.Items[i])
		if !strings.Contains(claim.Value, name) {
			continue
		}
		how := "held"
		if all.Items[i].Annotations[claims.AnnotationHolderUID] == "" {
			how = "reserved"
		}
		found = append(found, fmt.Sprint(claim.Kind, " ", strings.ReplaceAll(claim.Value, name, "NAME"), " ", how))
	}
	slices.Sort(found)
	return found
}

// frees is the manager, when what a dead process has reserved is over: it passes over every User that a claim names, and over
// that of the name.
func frees(ctx context.Context, name string) {
	GinkgoHelper()
	journal, clock := cluster.NewJournal(env.Client), clocktesting.NewFakePassiveClock(time.Now().Add(2*claims.Pending))
	r := &user.Reconciler{
		Client: journal, Clock: clock, Events: &cluster.Events{},
		Claims: &claims.Claims{Client: journal, Live: env.Client, Namespace: "default", Clock: clock},
	}
	names := map[string]bool{name: true}
	var all coordinationv1.LeaseList
	Expect(env.Client.List(ctx, &all, client.InNamespace("default"), client.HasLabels{claims.LabelKind})).To(Succeed())
	for _, l := range all.Items {
		if claim := claims.Of(&l); strings.Contains(claim.Value, name) {
			names[l.Labels[claims.LabelHolder]] = true
		}
	}
	u := &v1alpha1.User{}
	err := env.Client.Get(ctx, client.ObjectKey{Name: name}, u)
	Expect(client.IgnoreNotFound(err)).To(Succeed())
	if u.Annotations["berth.dev/becoming-user"] != "" { // and the minute is over
		u.Annotations["berth.dev/becoming-user"] = time.Now().Add(-2 * claims.Pending).UTC().Format(time.RFC3339Nano)
		Expect(env.Client.Update(ctx, u)).To(Succeed())
	}
	for name := range names {
		for range 2 { // the first adopts a User
			_, err := r.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKey{Name: name}})
			Expect(err).NotTo(HaveOccurred())
		}
	}
}

// bearers are the objects of the name, each in words.
func (n naming) bearers(ctx context.Context, name string) []string {
	GinkgoHelper()
	all := n.all.DeepCopyObject().(client.ObjectList)
	Expect(env.Client.List(ctx, all)).To(Succeed())
	var found []string
	Expect(meta.EachListItem(all, func(item runtime.Object) error {
		o := item.(client.Object)
		if !strings.Contains(o.GetName(), name) {
			return nil
		}
		line := strings.ReplaceAll(o.GetName(), name, "NAME")
		if _, unfinished := o.GetAnnotations()["berth.dev/becoming-user"]; unfinished {
			return nil // it is not given yet: nobody can sign in
		}
		if _, ok := o.(*v1alpha1.User); ok {
			err := env.Client.Get(ctx, client.ObjectKey{Namespace: "default", Name: "of-" + o.GetName()}, &corev1.Secret{})
			Expect(client.IgnoreNotFound(err)).To(Succeed())
			line += fmt.Sprint(", can sign in: ", err == nil)
		}
		found = append(found, line)
		return nil
	})).To(Succeed())
	return found
}

// ends gives a name until it is given, as somebody does who sends a request again that failed, and tells what there is then.
func (n naming) ends(ctx context.Context, s *store.Store, l *cluster.Luckless) string {
	GinkgoHelper()
	name := "n-" + rand.String(8)
	for try := 1; ; try++ {
		before := l.Struck()
		err := n.give(ctx, s, name)
		hit := l.Struck() > before
		frees(ctx, name)
		if err == nil || fault.Is(err, fault.Conflict) && len(n.bearers(ctx, name)) > 0 {
			return fmt.Sprint(n.bearers(ctx, name), " ", leases(ctx, name))
		}
		Expect(hit || fault.Is(err, fault.Conflict)).To(BeTrue(), "%v", err)
		Expect(try).To(BeNumerically("<", 10), "%v, met %v", err, l.Met())
	}
}

// furnishes has every organization be ready until the spec ends, since whoever makes one waits for that.
func furnishes(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	DeferCleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			var all v1alpha1.OrganizationList
			_ = env.Client.List(ctx, &all) // it is tried again
			for i := range all.Items {
				o := &all.Items[i]
				if len(o.Status.Conditions) > 0 {
					continue
				}
				o.Status.ObservedGeneration = o.Generation
				o.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Ready", LastTransitionTime: metav1.Now()}}
				_ = env.Client.Status().Update(ctx, o)
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
}

var _ = Describe("A name that is given while writes fail", func() {
	for what := range namings(&v1alpha1.Organization{}) {
		It("is given once, and nothing of it is left over: "+what, func(ctx SpecContext) {
			organization := &v1alpha1.Organization{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
			furnishes(ctx)
			n := namings(organization)[what]
			l := &cluster.Luckless{Parity: -1}
			s := unlucky(ctx, l)
			want := n.ends(ctx, s, l)
			Expect(want).To(HavePrefix("[NAME"))
			Expect(want).NotTo(ContainSubstring("reserved"))
			for _, m := range cluster.Mishaps() {
				for nth := 1; ; nth++ {
					l.Arm(m, nth)
					got := n.ends(ctx, s, l)
					if len(l.Met()) == 0 {
						Expect(nth).To(BeNumerically(">", 3), "%s: the writes", m.Name)
						break
					}
					Expect(got).To(Equal(want), "%s met %v", m.Name, l.Met())
				}
			}
		}, SpecTimeout(3*time.Minute))
	}
})
