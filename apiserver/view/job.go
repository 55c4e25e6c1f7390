// SPDX-License-Identifier: Apache-2.0

package view

import (
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/berth-dev/berth/api/codersdk"
	"github.com/berth-dev/berth/api/v1alpha1"
	"github.com/berth-dev/berth/internal/ids"
)

// job shows a piece of the manager's work: of what has the id, made at the time, from the version. Work that has not
// been taken up is pending.
func job(of uuid.UUID, created time.Time, j v1alpha1.Job, v *v1alpha1.TemplateVersion) codersdk.ProvisionerJob {
	return codersdk.ProvisionerJob{
		ID:          ids.Job(of),
		CreatedAt:   created,
		StartedAt:   utc(j.StartedAt),
		CompletedAt: utc(j.CompletedAt),
		CanceledAt:  utc(j.CanceledAt),
		Error:       j.Error,
		ErrorCode:   codersdk.JobErrorCode(j.ErrorCode),
		Status:      jobStatus(j.Phase),
		WorkerID:    worker(j.Worker),
		FileID:      fileID(v),
		Tags:        tags(v),
	}
}

func jobStatus(p v1alpha1.JobPhase) codersdk.ProvisionerJobStatus {
	switch p {
	case v1alpha1.JobRunning:
		return codersdk.ProvisionerJobRunning
	case v1alpha1.JobSucceeded:
		return codersdk.ProvisionerJobSucceeded
	case v1alpha1.JobFailed:
		return codersdk.ProvisionerJobFailed
	case v1alpha1.JobCanceling:
		return codersdk.ProvisionerJobCanceling
	case v1alpha1.JobCanceled:
		return codersdk.ProvisionerJobCanceled
	}
	return codersdk.ProvisionerJobPending
}

// worker is the id of the manager's replica, which has a name only.
func worker(name string) *uuid.UUID {
	if name == "" {
		return nil
	}
	id, err := uuid.Parse(name)
	if err != nil {
		id = uuid.NewSHA1(uuid.NameSpaceOID, []byte(name))
	}
	return &id
}

// fileID is the id of the archive that a version's content can be had as: another content, another id.
func fileID(v *v1alpha1.TemplateVersion) uuid.UUID {
	if v == nil {
		return uuid.Nil
	}
	return uuid.NewSHA1(ids.Of(v), []byte("file\x00"+v.Status.ContentHash))
}

// tags say who may do the work. Clients expect the two that stand for "anybody of the organization" where there are none.
func tags(v *v1alpha1.TemplateVersion) map[string]string {
	all := map[string]string{"scope": "organization", "owner": ""}
	if v == nil {
		return all
	}
	own := map[string]string{}
	for key, value := range v.Spec.Content.Tags {
		own[key] = string(value)
	}
	maps.Copy(all, own)
	return all
}
