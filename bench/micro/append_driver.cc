#include "micro/append_driver.h"

#include <optional>
#include <semaphore>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "micro/latency.h"

namespace tcsync::micro {

absl::StatusOr<ChildOutcome> ReadChild(Storage& storage, const Uuid& client_id,
                                       const Uuid& parent) {
  absl::StatusOr<ChildOutcome> child;
  std::binary_semaphore called(0);
  storage.GetChild(client_id, parent, [&](absl::StatusOr<ChildOutcome> outcome) {
    child = std::move(outcome);
    called.release();
  });
  called.acquire();
  return child;
}

AppendDriver::AppendDriver(Storage& storage, const CountingEnv& env, size_t segment_bytes,
                           size_t writers, Clients clients)
    : storage_(storage), env_(env), segment_(segment_bytes, 's'), clients_(clients) {
  for (size_t i = 0; i < writers; ++i) {
    if (clients != Clients::kSame || i == 0) client_ids_.push_back(Uuid::Random());
    writers_.push_back(Writer{.client_id = client_ids_.back(), .parent = Uuid()});
  }
}

AppendDriver::AppendDriver(Storage& storage, const CountingEnv& env, size_t segment_bytes,
                           const Uuid& client_id, const Uuid& latest)
    : storage_(storage),
      env_(env),
      segment_(segment_bytes, 's'),
      clients_(Clients::kOwn),
      writers_{Writer{.client_id = client_id, .parent = latest}},
      client_ids_{client_id} {}

void AppendDriver::Start() {
  for (size_t i = 0; i < writers_.size(); ++i) Begin(i);
}

void AppendDriver::Begin(size_t writer) {
  Writer& from = writers_[writer];
  ++under_way_;
  from.began_ns = NowNanoseconds();
  storage_.Append(AppendRequest{.client_id = from.client_id,
                                .expected_parent = from.parent,
                                .segment = segment_,
                                .create_client = true,
                                .now_unix_seconds = 1},
                  [this, writer](absl::StatusOr<AppendOutcome> outcome) {
                    const std::lock_guard lock(mutex_);
                    answers_.push_back(Answer{writer, std::move(outcome), env_.log_syncs()});
                    answered_.notify_one();
                  });
}

AppendDriver::Answer AppendDriver::Take() {
  if (taken_position_ == taken_.size()) {
    taken_.clear();
    taken_position_ = 0;
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [this] { return !answers_.empty(); });
    taken_.swap(answers_);
  }
  --under_way_;
  return std::move(taken_[taken_position_++]);
}

void AppendDriver::Record(const Answer& answer) {
  if (!answer.outcome.ok()) {
    if (status_.ok()) status_ = answer.outcome.status();
    return;
  }
  Writer& writer = writers_[answer.writer];
  if (const auto* conflict = std::get_if<Conflict>(&*answer.outcome)) {
    ++conflicts_;
    writer.parent = conflict->latest_version_id;
  } else if (const auto* appended = std::get_if<Appended>(&*answer.outcome)) {
    ++appended_;
    latency_.Record(NowNanoseconds() - writer.began_ns);
    if (batches_.empty() || batch_sync_ != answer.log_syncs) batches_.push_back(0);
    batch_sync_ = answer.log_syncs;
    ++batches_.back();
    writer.parent = appended->version_id;
  } else if (status_.ok()) {
    status_ = absl::InternalError("storage does not know a client that it was to create");
  }
}

void AppendDriver::Step() {
  const Answer answer = Take();
  Record(answer);
  if (clients_ == Clients::kNew) {
    client_ids_.push_back(Uuid::Random());
    writers_[answer.writer] = Writer{.client_id = client_ids_.back(), .parent = Uuid()};
  }
  Begin(answer.writer);
}

void AppendDriver::Drain() {
  while (under_way_ > 0) Record(Take());
}

absl::StatusOr<uint64_t> AppendDriver::CountStored() const {
  uint64_t stored = 0;
  for (const Uuid& client_id : client_ids_) {
    Uuid parent;
    for (;;) {
      const absl::StatusOr<ChildOutcome> child = ReadChild(storage_, client_id, parent);
      if (!child.ok()) return child.status();
      const auto* version = std::get_if<Version>(&*child);
      if (version == nullptr) break;
      if (version->segment != segment_) {
        return absl::DataLossError(
            absl::StrCat("version ", version->version_id.ToString(), " has other bytes"));
      }
      parent = version->version_id;
      ++stored;
    }
  }
  return stored;
}

}  // namespace tcsync::micro
