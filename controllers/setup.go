// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/berth-dev/berth/controllers/access"
	"github.com/berth-dev/berth/controllers/activity"
	"github.com/berth-dev/berth/controllers/apiservice"
	"github.com/berth-dev/berth/controllers/dryrun"
	"github.com/berth-dev/berth/controllers/files"
	"github.com/berth-dev/berth/controllers/group"
	"github.com/berth-dev/berth/controllers/organization"
	"github.com/berth-dev/berth/controllers/phase"
	"github.com/berth-dev/berth/controllers/template"
	"github.com/berth-dev/berth/controllers/templateversion"
	"github.com/berth-dev/berth/controllers/user"
	"github.com/berth-dev/berth/controllers/warmpool"
	"github.com/berth-dev/berth/controllers/warmworkspace"
	"github.com/berth-dev/berth/controllers/workspace"
	"github.com/berth-dev/berth/controllers/workspacebuild"
	"github.com/berth-dev/berth/internal/claims"
	kept "github.com/berth-dev/berth/internal/files"
	"github.com/berth-dev/berth/internal/index"
	"github.com/berth-dev/berth/internal/render"
	"github.com/berth-dev/berth/internal/serving"
)

// gather is for how long what only moves a count is gathered. A count that may rise from nothing or fall to it is not.
const gather = 5 * time.Second

// Setup adds all controllers to a manager, and the indexes that they look things up in.
func Setup(ctx context.Context, mgr ctrl.Manager, o Options) error {
	everywhere, inNamespace := index.Acting()
	err := errors.Join(index.Register(ctx, mgr.GetFieldIndexer(), everywhere...), within(ctx, mgr.GetCache(), inNamespace...))
	if err != nil {
		return err
	}
	brief := cmp.Or(o.Brief, time.Second)
	c, live, told, now := mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder("berth-manager"), clock.RealClock{}
	platform := render.Platform{AgentImage: o.AgentImage}
	if o.Service != "" {
		platform.URL = serving.URL(o.Service, o.Namespace, o.ServicePort)
	}
	ca := func(ctx context.Context) (string, error) { return serving.Bundle(ctx, live, o.Namespace) }
	accounts := phase.Impersonating(mgr.GetConfig(), mgr.GetScheme(), mgr.GetRESTMapper())
	names := &claims.Claims{Client: c, Live: live, Namespace: o.Namespace, Clock: now}

	requesters := phase.Requesters{Reader: c}
	if o.RequesterStamps {
		requesters.Own = o.Namespace
	}

	for kind, r := range map[string]interface{ Setup(ctrl.Manager) error }{
		"activity":        &activity.Reconciler{Client: c, Namespace: o.Namespace, Clock: now, Gather: gather},
		"Organization":    &organization.Reconciler{Client: c, Live: live, Own: o.Namespace, Manager: o.ServiceAccount, APIServer: o.APIServerAccount, Events: told, Clock: now},
		"User":            &user.Reconciler{Client: c, Claims: names, Events: told, Clock: now},
		"Group":           &group.Reconciler{Client: c, Events: told, Clock: now},
		"Template":        &template.Reconciler{Client: c, Live: live, Requesters: requesters, Events: told, Clock: now, Gather: gather},
		"Workspace":       &workspace.Reconciler{Client: c, Live: live, Requesters: requesters, Own: o.Namespace, AgentImage: o.AgentImage, Events: told, Clock: now, Brief: brief},
		"kept claims":     &workspace.Sweep{Client: c, Live: live, Events: told, Clock: now},
		"tombstones":      &workspace.Tombstones{Client: c, Clock: now},
		"WorkspaceBuild":  &workspacebuild.Reconciler{Client: c, Live: live, As: accounts, Platform: platform, Worker: o.Worker, AtOnce: o.StartsAtOnce, Clock: now, Brief: brief},
		"TemplateVersion": &templateversion.Reconciler{Client: c, Live: live, As: accounts, Platform: platform, Worker: o.Worker, Events: told, Clock: now, Gather: gather},
		"warm pools":      &warmpool.Reconciler{Client: c, Live: live, Events: told, Clock: now, Platform: platform},
		"WarmWorkspace":   &warmworkspace.Reconciler{Client: c, Live: live, Clock: now, Platform: platform, CA: ca},
		"DryRun":          &dryrun.Reconciler{Client: c, Live: live, As: accounts, Platform: platform, Worker: o.Worker, Clock: now},
		"access":          &access.Reconciler{Client: c, Off: !o.KubectlAccess, Writable: organization.MountableBinding},
		"groups' access":  &access.GroupReconciler{Client: c, Off: !o.KubectlAccess, Writable: organization.MountableBinding},
	} {
		if err := r.Setup(mgr); err != nil {
			return fmt.Errorf("controller of %s: %w", kind, err)
		}
	}
	direct, err := uncached(mgr)
	if err != nil {
		return err
	}
	err = mgr.Add(&files.Sweep{
		Reader: c, Files: &kept.Files{Client: direct, Namespace: o.Namespace, Now: now.Now}, Clock: now, Log: mgr.GetLogger().WithName("files"),
	})
	if err != nil || !o.Aggregation {
		return err
	}
	return mgr.Add(&apiservice.Publisher{
		Client: direct, Namespace: o.Namespace, Service: o.Service, Port: o.ServicePort,
		ClusterRole: o.ClusterRole, Deployment: o.Deployment, Log: mgr.GetLogger().WithName("apiservice"),
	})
}
