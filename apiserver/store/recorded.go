// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/audit"
	"github.com/berth-dev/berth/internal/credentials"
)

// recorded is a client that tells the record of the request for which it writes what it wrote: every write of this process
// goes through one, so none can be forgotten. Outside of a request there is no record, and nothing is told.
type recorded struct {
	client.Client
	store *Store
}

// knowing is a patch that knows the object as it was, so that the record can tell the difference.
type knowing struct {
	client.Patch
	before v1alpha1.Object
}

// Create stores an object.
func (c *recorded) Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error {
	secrets := credentialsIn(o)
	if err := c.Client.Create(ctx, o, opts...); err != nil {
		return err
	}
	if r := audit.From(ctx); r != nil {
		c.store.tell(ctx, r, nil, o, codersdk.AuditActionCreate)
		c.store.tellCredentials(ctx, r, o.GetName(), secrets)
	}
	return nil
}

// Patch changes an object.
func (c *recorded) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.PatchOption) error {
	r := audit.From(ctx)
	if r == nil {
		return c.Client.Patch(ctx, o, p, opts...)
	}
	var secrets map[string][]byte
	if _, is := o.(*corev1.Secret); is {
		var body struct{ Data map[string][]byte }
		if data, err := p.Data(o); err == nil && json.Unmarshal(data, &body) == nil {
			secrets = body.Data
		}
	}
	if err := c.Client.Patch(ctx, o, p, opts...); err != nil {
		return err
	}
	e, known := p.(knowing)
	if known {
		c.store.tell(ctx, r, e.before, o, codersdk.AuditActionWrite)
	} else if secrets == nil {
		c.store.tell(ctx, r, nil, o, codersdk.AuditActionWrite)
	}
	c.store.tellCredentials(ctx, r, o.GetName(), secrets)
	return nil
}

// Delete removes an object.
func (c *recorded) Delete(ctx context.Context, o client.Object, opts ...client.DeleteOption) error {
	if err := c.Client.Delete(ctx, o, opts...); err != nil {
		return err
	}
	if r := audit.From(ctx); r != nil {
		c.store.tell(ctx, r, o, nil, codersdk.AuditActionDelete)
	}
	return nil
}

// tell adds a write of an object of ours to the record.
func (s *Store) tell(ctx context.Context, r *audit.Record, before, after client.Object, action codersdk.AuditAction) {
	if c, ok := s.ChangeOf(ctx, before, after, action); ok {
		r.Changed(c)
	}
}

// ChangeOf is the change from one state of an object to another, of which one is nil when it was made or removed; false
// where the log has no word for the kind.
func (s *Store) ChangeOf(ctx context.Context, before, after client.Object, action codersdk.AuditAction) (audit.Change, bool) {
	now := after
	if now == nil {
		now = before
	}
	o, ours := now.(v1alpha1.Object)
	if !ours {
		return audit.Change{}, false
	}
	c, ok := s.about(ctx, o)
	if !ok {
		return audit.Change{}, false
	}
	if c.Action == "" || after == nil || action == codersdk.AuditActionWrite {
		c.Action = action // a build that is made is a start or a stop; one that is changed is not
	}
	c.Join = string(o.GetUID())
	c.Object = audit.Object{UID: o.GetUID(), From: o.GetGeneration(), To: o.GetGeneration()}
	if after == nil {
		c.Object.From, c.Object.To, c.Object.Gone = 0, 0, true
	}
	diff, err := audit.Diff(specOf(before), specOf(after))
	if err != nil {
		c.Additional.Note = "the change can't be shown"
	}
	if before != nil && after != nil {
		maps.Copy(diff, annotationsDiff(before, after))
	}
	c.Diff = diff
	return c, true
}

// annotationsDiff is what differs in the annotations of ours: dormancy stands there. Who asked is what an entry is about and no
// change.
func annotationsDiff(before, after client.Object) codersdk.AuditDiff {
	diff := codersdk.AuditDiff{}
	was, is := before.GetAnnotations(), after.GetAnnotations()
	for _, key := range slices.Concat(slices.Collect(maps.Keys(was)), slices.Collect(maps.Keys(is))) {
		if !strings.HasPrefix(key, v1alpha1.GroupVersion.Group+"/") || key == v1alpha1.AnnotationRequester || was[key] == is[key] {
			continue
		}
		f := codersdk.AuditDiffField{}
		if v, ok := was[key]; ok {
			f.Old = v
		}
		if v, ok := is[key]; ok {
			f.New = v
		}
		diff["metadata.annotations."+key] = f
	}
	return diff
}

// specOf is an object's spec; nil where there is none.
func specOf(o client.Object) any {
	if o == nil {
		return nil
	}
	v := reflect.ValueOf(o)
	if v.IsNil() {
		return nil
	}
	spec := v.Elem().FieldByName("Spec")
	if !spec.IsValid() {
		return nil
	}
	return spec.Interface()
}

// credentialsIn are the fields of a Secret that is to be made, before the client empties what it takes.
func credentialsIn(o client.Object) map[string][]byte {
	secret, ok := o.(*corev1.Secret)
	if !ok {
		return nil
	}
	return maps.Clone(secret.Data)
}

// tellCredentials adds a write of somebody's credentials to the record: which they were, and never what they are.
func (s *Store) tellCredentials(ctx context.Context, r *audit.Record, secret string, fields map[string][]byte) {
	owner, ok := credentials.OwnerOf(secret)
	if !ok || len(fields) == 0 {
		return
	}
	resource := audit.Resource{Type: codersdk.ResourceTypeUser, ID: owner}
	whose, account := owner.String(), "password of "+owner.String()
	if u, err := s.UserByID(ctx, owner); err == nil {
		whose, account = u.WireName(), string(u.UID)
	}
	resource.Target = whose
	for _, w := range credentials.Writes(fields) {
		c := audit.Change{Action: codersdk.AuditActionWrite, Resource: resource, Diff: codersdk.AuditDiff{}}
		switch w.Kind {
		case credentials.WritePassword:
			c.Diff["hashed_password"] = audit.Secret()
			c.Join = account // who is made with a password is made once
		case credentials.WriteKey, credentials.EndKey:
			c.Resource.Type = codersdk.ResourceTypeAPIKey
			c.Resource.ID, c.Resource.Target = owner, whose+"/"+w.Name
			c.Action = codersdk.AuditActionCreate
			if w.Kind == credentials.EndKey {
				c.Action = codersdk.AuditActionDelete
			} else {
				c.Diff["hashed_secret"] = audit.Secret()
			}
		case credentials.LinkExternal:
			c.Diff["external_auth."+w.Name] = audit.Secret()
			c.Additional.Note = "signed in at " + w.Name
		case credentials.EndExternal:
			c.Diff["external_auth."+w.Name] = audit.Secret()
			c.Additional.Note = "signed out at " + w.Name
		default:
			c.Diff[w.Name] = audit.Secret()
		}
		r.Changed(c)
	}
}
