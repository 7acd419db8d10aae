#include "sync/sync_service.h"

#include <memory>
#include <utility>

#include "base/limits.h"
#include "sync/received_upload.h"

namespace tcsync::sync {
namespace {

// Puts them where a request expects them.
void Put(ReceivedBytes received, std::string& bytes, std::shared_ptr<Upload>& upload) {
  if (auto* const whole = std::get_if<std::string>(&received)) {
    bytes = std::move(*whole);
    return;
  }
  PutUpload(std::shared_ptr<Upload>(std::move(std::get<std::unique_ptr<Upload>>(received))), bytes,
            upload);
}

}  // namespace

SyncService::SyncService(Storage& storage, const base::Clock& clock, const SyncPolicy& policy)
    : storage_(storage), clock_(clock), limits_(policy.limits), snapshots_(policy.snapshots) {}

int64_t SyncService::NowUnixSeconds() const { return absl::ToUnixSeconds(clock_.Now()); }

void SyncService::BeginVersionUpload(const Uuid& client_id, const Uuid& parent_version_id,
                                     uint64_t announced_bytes, const ClientCreation& creation,
                                     BeginUploadCallback done) {
  storage_.BeginUpload({.client_id = client_id,
                        .purpose = UploadRequest::ForAppend{.expected_parent = parent_version_id,
                                                            .create_client = creation.create_client,
                                                            .invite = creation.invite},
                        .announced_bytes = announced_bytes,
                        .limits = limits_,
                        .now_unix_seconds = NowUnixSeconds()},
                       std::move(done));
}

void SyncService::BeginSnapshotUpload(const Uuid& client_id, const Uuid& version_id,
                                      uint64_t announced_bytes, BeginUploadCallback done) {
  storage_.BeginUpload({.client_id = client_id,
                        .purpose = UploadRequest::ForSnapshot{.version_id = version_id,
                                                              .recent_versions_max =
                                                                  base::kSnapshotRecentVersionsMax},
                        .announced_bytes = announced_bytes,
                        .limits = limits_,
                        .now_unix_seconds = NowUnixSeconds()},
                       std::move(done));
}

void SyncService::AddVersion(const Uuid& client_id, const Uuid& parent_version_id,
                             ReceivedBytes segment, const ClientCreation& creation,
                             AddVersionCallback done) {
  const int64_t now = NowUnixSeconds();
  AppendRequest request{.client_id = client_id,
                        .expected_parent = parent_version_id,
                        .segment = {},
                        .create_client = creation.create_client,
                        .invite = creation.invite,
                        .limits = limits_,
                        .now_unix_seconds = now};
  Put(std::move(segment), request.segment, request.upload);
  storage_.Append(std::move(request), [this, now, done = std::move(done)](
                                          absl::StatusOr<AppendOutcome> outcome) mutable {
    if (!outcome.ok()) return done(outcome.status());
    if (const auto* conflict = std::get_if<Conflict>(&*outcome)) {
      return done(*conflict);
    }
    if (std::holds_alternative<NoSuchClient>(*outcome)) return done(NoSuchClient{});
    if (const auto* over = std::get_if<OverLimit>(&*outcome)) return done(*over);
    const Appended& appended = std::get<Appended>(*outcome);
    done(VersionAdded{.version_id = appended.version_id,
                      .urgency = UrgencyOf(appended.snapshot, snapshots_, now),
                      .created_client = appended.created_client});
  });
}

void SyncService::GetChildVersion(const Uuid& client_id, const Uuid& parent_version_id,
                                  GetChildVersionCallback done) {
  storage_.GetChild(client_id, parent_version_id,
                    [this, client_id, parent_version_id,
                     done = std::move(done)](absl::StatusOr<ChildOutcome> outcome) mutable {
                      if (!outcome.ok()) return done(outcome.status());
                      if (auto* version = std::get_if<Version>(&*outcome))
                        return done(std::move(*version));
                      if (std::holds_alternative<NoSuchClient>(*outcome))
                        return done(NoSuchClient{});
                      const NoChild& end = std::get<NoChild>(*outcome);
                      const Uuid& latest = end.latest_version_id;
                      if (latest.IsNil()) return done(UpToDate{});
                      if (latest == parent_version_id) {
                        storage_.NoteReplicaSeen(client_id, latest, NowUnixSeconds());
                        return done(UpToDate{});
                      }
                      storage_.NoteReplicaAhead(client_id, parent_version_id, NowUnixSeconds());
                      if (end.accepts_diverged) return done(UpToDate{});
                      done(Gone{latest});
                    });
}

void SyncService::GetChildVersions(const Uuid& client_id, const Uuid& parent_version_id,
                                   const VersionsBounds& bounds, GetChildVersionsCallback done) {
  GetChildVersion(client_id, parent_version_id,
                  [this, client_id, bounds,
                   done = std::move(done)](absl::StatusOr<GetChildVersionResult> result) mutable {
                    if (!result.ok()) return done(result.status());
                    if (const auto* gone = std::get_if<Gone>(&*result)) return done(*gone);
                    if (std::holds_alternative<UpToDate>(*result)) return done(UpToDate{});
                    if (std::holds_alternative<NoSuchClient>(*result)) return done(NoSuchClient{});
                    ChildWalk::Start(
                        storage_, client_id, std::get<Version>(*std::move(result)), bounds,
                        [done = std::move(done)](std::vector<Version> versions) mutable {
                          done(std::move(versions));
                        });
                  });
}

void SyncService::AddSnapshot(const Uuid& client_id, const Uuid& version_id, ReceivedBytes bytes,
                              AddSnapshotCallback done) {
  StoreSnapshotRequest request{.client_id = client_id,
                               .version_id = version_id,
                               .bytes = {},
                               .recent_versions_max = base::kSnapshotRecentVersionsMax,
                               .limits = limits_,
                               .now_unix_seconds = NowUnixSeconds()};
  Put(std::move(bytes), request.bytes, request.upload);
  storage_.StoreSnapshot(std::move(request), std::move(done));
}

void SyncService::GetSnapshot(const Uuid& client_id, GetSnapshotCallback done) {
  storage_.GetSnapshot(client_id, std::move(done));
}

void SyncService::ClientExists(const Uuid& client_id, ClientExistsCallback done) {
  storage_.GetChild(client_id, Uuid(),
                    [done = std::move(done)](absl::StatusOr<ChildOutcome> outcome) mutable {
                      if (!outcome.ok()) return done(outcome.status());
                      done(!std::holds_alternative<NoSuchClient>(*outcome));
                    });
}

}  // namespace tcsync::sync
