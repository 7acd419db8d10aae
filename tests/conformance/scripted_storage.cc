// See scripted_storage.h.
#include "scripted_storage.h"

#include <chrono>

#include "http_client.h"

namespace tcsync::conformance {

void Script::Fail(absl::Status status) {
  const std::lock_guard<std::mutex> lock(mutex_);
  failure_ = std::move(status);
}

void Script::HoldAppends() {
  const std::lock_guard<std::mutex> lock(mutex_);
  hold_appends_ = true;
}

bool Script::WaitFor(absl::FunctionRef<bool()> condition) {
  std::unique_lock<std::mutex> lock(mutex_);
  // Not wait_for: gcc 12's ThreadSanitizer does not know the call behind it.
  return changed_.wait_until(
      lock, std::chrono::system_clock::now() + std::chrono::seconds(kDeadlineSeconds), condition);
}

bool Script::WaitForHeldAppends(size_t count) {
  return WaitFor([&] { return held_.size() >= count; });
}

void Script::ReleaseAppends() {
  std::vector<std::pair<AppendCallback, absl::StatusOr<AppendOutcome>>> finished;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    hold_appends_ = false;
    for (auto& [request, done] : held_) {
      finished.emplace_back(std::move(done), ScriptedStorage::AppendNow(*this, std::move(request)));
    }
    held_.clear();
  }
  for (auto& [done, outcome] : finished) done(std::move(outcome));
}

void Script::HoldReads() {
  const std::lock_guard<std::mutex> lock(mutex_);
  hold_reads_ = true;
}

bool Script::WaitForHeldReads(size_t count) {
  return WaitFor([&] { return held_reads_.size() >= count; });
}

void Script::ReleaseReads() {
  std::vector<absl::AnyInvocable<void()>> reads;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    hold_reads_ = false;
    reads.swap(held_reads_);
  }
  for (auto& read : reads) read();
}

void Script::RefuseWrites(bool refuse) {
  const std::lock_guard<std::mutex> lock(mutex_);
  refuse_writes_ = refuse;
}

void Script::ReportSnapshot(std::optional<SnapshotSummary> snapshot) {
  const std::lock_guard<std::mutex> lock(mutex_);
  snapshot_ = snapshot;
}

ScriptedStorage::~ScriptedStorage() {
  std::vector<std::pair<AppendRequest, AppendCallback>> held;
  {
    const std::lock_guard<std::mutex> lock(script_->mutex_);
    held = std::move(script_->held_);
    script_->held_.clear();
    if (!script_->held_reads_.empty()) {
      script_->failure_ = absl::UnavailableError("storage is closing");
    }
  }
  for (auto& [request, done] : held) done(absl::UnavailableError("storage is closing"));
  script_->ReleaseReads();
}

bool ScriptedStorage::RefusesWrites() const {
  const std::lock_guard<std::mutex> lock(script_->mutex_);
  return script_->refuse_writes_;
}

absl::StatusOr<AppendOutcome> ScriptedStorage::AppendNow(Script& script, AppendRequest request) {
  if (!script.failure_.ok()) return script.failure_;
  if (!request.create_client && script.chains_.count(request.client_id) == 0) {
    return NoSuchClient{};
  }
  std::vector<Version>& chain = script.chains_[request.client_id];
  if (!chain.empty() && chain.back().version_id != request.expected_parent) {
    return Conflict{chain.back().version_id};
  }
  const Uuid version_id = Uuid::Random();
  chain.push_back({version_id, request.expected_parent, std::move(request.segment)});
  return Appended{version_id, script.snapshot_};
}

void ScriptedStorage::Append(AppendRequest request, AppendCallback done) {
  absl::StatusOr<AppendOutcome> outcome = NoSuchClient{};
  {
    const std::lock_guard<std::mutex> lock(script_->mutex_);
    if (script_->hold_appends_) {
      script_->held_.emplace_back(std::move(request), std::move(done));
      script_->changed_.notify_all();
      return;
    }
    outcome = AppendNow(*script_, std::move(request));
  }
  done(std::move(outcome));
}

void ScriptedStorage::StoreSnapshot(StoreSnapshotRequest request, StoreSnapshotCallback done) {
  absl::StatusOr<StoreSnapshotOutcome> outcome = StoreSnapshotOutcome::kStored;
  {
    const std::lock_guard<std::mutex> lock(script_->mutex_);
    if (!script_->failure_.ok()) {
      outcome = script_->failure_;
    } else {
      script_->snapshots_[request.client_id] = {request.version_id, std::move(request.bytes)};
    }
  }
  done(outcome);
}

absl::StatusOr<ChildOutcome> ScriptedStorage::ChildNow(Script& script, const Uuid& client_id,
                                                       const Uuid& parent_version_id) {
  const std::lock_guard<std::mutex> lock(script.mutex_);
  if (!script.failure_.ok()) return script.failure_;
  const auto chain = script.chains_.find(client_id);
  if (chain == script.chains_.end()) return NoSuchClient{};
  for (const Version& version : chain->second) {
    if (version.parent_version_id == parent_version_id) return version;
  }
  return NoChild{chain->second.empty() ? Uuid() : chain->second.back().version_id};
}

absl::StatusOr<std::optional<Snapshot>> ScriptedStorage::SnapshotNow(Script& script,
                                                                     const Uuid& client_id) {
  const std::lock_guard<std::mutex> lock(script.mutex_);
  if (!script.failure_.ok()) return script.failure_;
  const auto snapshot = script.snapshots_.find(client_id);
  if (snapshot == script.snapshots_.end()) return std::optional<Snapshot>();
  return std::optional<Snapshot>(snapshot->second);
}

void ScriptedStorage::Read(absl::AnyInvocable<void()> read) {
  {
    const std::lock_guard<std::mutex> lock(script_->mutex_);
    if (script_->hold_reads_) {
      script_->held_reads_.push_back(std::move(read));
      script_->changed_.notify_all();
      return;
    }
  }
  read();
}

void ScriptedStorage::GetChild(const Uuid& client_id, const Uuid& parent_version_id,
                               ChildCallback done) {
  Read([script = script_, client_id, parent_version_id, done = std::move(done)]() mutable {
    done(ChildNow(*script, client_id, parent_version_id));
  });
}

void ScriptedStorage::GetSnapshot(const Uuid& client_id, SnapshotCallback done) {
  Read([script = script_, client_id, done = std::move(done)]() mutable {
    done(SnapshotNow(*script, client_id));
  });
}

}  // namespace tcsync::conformance
