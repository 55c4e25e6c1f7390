// SPDX-License-Identifier: Apache-2.0

// Package apiservice writes and withdraws the APIService through which the Kubernetes aggregation layer reaches Berth's
// API server. An APIService whose server is gone makes every namespace deletion of the cluster hang, so it stands only
// while a probe of the manager's own, through the Service, says that a server is there.
//
// It is no reconciler: what it acts on is the probe, not an event. It runs in the leader alone, and touches no APIService
// but its own.
package apiservice

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/internal/serving"
)

const (
	// every is how often the server is probed, and failures how often in a row it must fail: withdrawn within 10 s.
	every    = time.Second
	failures = 3
	// verify is how often what stands in the cluster is compared with what should.
	verify = 5 * time.Second
	// last is how long a stopping manager may take to withdraw.
	last = 5 * time.Second
)

// +kubebuilder:rbac:groups=apiregistration.k8s.io,resources=apiservices,verbs=create
// +kubebuilder:rbac:groups=apiregistration.k8s.io,resources=apiservices,resourceNames=v2.codersdk.berth.dev,verbs=get;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,resourceNames=berth-aggregated-api,verbs=get
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups="",namespace=berth-system,resources=configmaps,resourceNames=berth-serving-ca,verbs=get
// +kubebuilder:rbac:groups=apps,namespace=berth-system,resources=deployments,resourceNames=berth-manager,verbs=get

// Publisher keeps the APIService. Its zero fields must be set but for Probe.
type Publisher struct {
	// Client reads and writes without a cache, so that each decision follows from the present.
	Client client.Client
	// Namespace is Berth's own, Service the API server's Service there, and Port its HTTPS port.
	Namespace, Service string
	Port               int32
	// ClusterRole is the chart's role that owns the APIService, so that uninstalling collects it.
	ClusterRole string
	// Deployment is the manager's own; when it goes, so does the APIService.
	Deployment string
	// Probe tells whether the server answers, with the bundle of its CA. Absent means an HTTPS request to the Service.
	Probe func(ctx context.Context, bundle []byte) error
	// Log is where changes are told.
	Log logr.Logger
	// Tick gives the times at which to probe; absent means every second.
	Tick <-chan time.Time

	// failed counts the probes that failed in a row; checked is when the cluster was last compared.
	failed  int
	checked time.Time
	// stands tells what was last done: nil when nothing was yet, else whether it was written.
	stands *bool
	bundle []byte
	// said is the last error that was logged.
	said string
}

// NeedLeaderElection has only the leader run it.
func (p *Publisher) NeedLeaderElection() bool { return true }

// Start probes until the context ends, and then withdraws the APIService if Berth itself is going.
func (p *Publisher) Start(ctx context.Context) error {
	if p.Probe == nil {
		p.Probe = p.ask
	}
	ticks := p.Tick
	if ticks == nil {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		ticks = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return p.leave(context.WithoutCancel(ctx))
		case now := <-ticks:
			if err := p.pass(ctx, now); ctx.Err() == nil {
				p.complain(err)
			}
		}
	}
}

// pass probes once and acts on it.
func (p *Publisher) pass(ctx context.Context, now time.Time) error {
	err := p.probe(ctx)
	if err == nil {
		p.failed = 0
		if p.stands != nil && *p.stands && now.Sub(p.checked) < verify {
			return nil
		}
		if err := p.write(ctx); err != nil {
			return err
		}
		p.checked = now
		return nil
	}
	if p.failed < failures {
		p.failed++
	}
	if p.failed < failures || p.stands != nil && !*p.stands {
		return nil
	}
	if err := p.withdraw(ctx); err != nil {
		return err
	}
	p.settle(false, "API server does not answer: "+err.Error())
	return nil
}

// complain logs an error once, until it is over or another comes.
func (p *Publisher) complain(err error) {
	said := p.said
	if p.said = ""; err == nil {
		return
	}
	if p.said = err.Error(); p.said != said {
		p.Log.Error(err, "Keeping the APIService", "name", Name)
	}
}

// settle notes what stands now, and tells when it is something new.
func (p *Publisher) settle(stands bool, why string) {
	if p.stands == nil || *p.stands != stands {
		p.Log.Info("APIService", "name", Name, "written", stands, "why", why)
	}
	p.stands = ptr.To(stands)
}

// probe asks the server, with the CA's bundle as it is published at the moment.
func (p *Publisher) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, every)
	defer cancel()
	if p.bundle == nil || p.failed > 0 {
		bundle, err := p.published(ctx)
		if err != nil {
			return err
		}
		p.bundle = bundle
	}
	return p.Probe(ctx, p.bundle)
}

// published is the bundle that the API server has published.
func (p *Publisher) published(ctx context.Context) ([]byte, error) {
	var m corev1.ConfigMap
	if err := p.Client.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: serving.ConfigMapName}, &m); err != nil {
		return nil, fmt.Errorf("the CA of the API server: %w", err)
	}
	bundle := []byte(m.Data[serving.BundleKey])
	if !x509.NewCertPool().AppendCertsFromPEM(bundle) {
		return nil, fmt.Errorf("ConfigMap %s has no certificate under %s", serving.ConfigMapName, serving.BundleKey)
	}
	return bundle, nil
}

// write brings the APIService to what it should be. Its owner is read anew each time: a role that was replaced has
// another uid, and the collector would take what names the old one. Where the role is going, so is the APIService.
func (p *Publisher) write(ctx context.Context) error {
	bundle, err := p.published(ctx)
	if err != nil {
		return err
	}
	p.bundle = bundle
	var owner rbacv1.ClusterRole
	err = p.Client.Get(ctx, client.ObjectKey{Name: p.ClusterRole}, &owner)
	switch {
	case apierrors.IsNotFound(err) || err == nil && owner.DeletionTimestamp != nil:
		if err := p.withdraw(ctx); err != nil {
			return err
		}
		p.settle(false, "ClusterRole "+p.ClusterRole+" is gone, as after an uninstall")
		return nil
	case err != nil:
		return err
	}
	if err := p.apply(ctx, &owner); err != nil {
		return err
	}
	p.settle(true, "the API server answers")
	return nil
}

// leave withdraws the APIService when Berth is being removed: nobody would do it afterwards. A manager that is only
// replaced leaves it to its successor.
func (p *Publisher) leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, last)
	defer cancel()
	why, err := p.going(ctx)
	if err != nil || why == "" {
		return err
	}
	if err := p.withdraw(ctx); err != nil {
		return err
	}
	p.settle(false, why)
	return nil
}

// going says why Berth is being removed; empty when it is not.
func (p *Publisher) going(ctx context.Context) (string, error) {
	var namespace corev1.Namespace
	var deployment appsv1.Deployment
	var role rbacv1.ClusterRole
	for _, o := range []struct {
		what   string
		key    client.ObjectKey
		object client.Object
	}{
		{"namespace " + p.Namespace, client.ObjectKey{Name: p.Namespace}, &namespace},
		{"Deployment " + p.Deployment, client.ObjectKey{Namespace: p.Namespace, Name: p.Deployment}, &deployment},
		{"ClusterRole " + p.ClusterRole, client.ObjectKey{Name: p.ClusterRole}, &role},
	} {
		err := p.Client.Get(ctx, o.key, o.object)
		switch {
		case apierrors.IsNotFound(err):
			return o.what + " is gone", nil
		case err != nil:
			return "", errors.Join(errors.New("reading "+o.what), err)
		case o.object.GetDeletionTimestamp() != nil:
			return o.what + " is being deleted", nil
		}
	}
	if ptr.Deref(deployment.Spec.Replicas, 1) == 0 {
		return "Deployment " + p.Deployment + " is scaled to 0", nil
	}
	return "", nil
}
