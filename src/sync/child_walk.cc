#include "sync/child_walk.h"

#include <optional>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "base/return_or_call_back.h"

namespace tcsync::sync {

void ChildWalk::Start(Storage& storage, const Uuid& client_id, Version first,
                      const VersionsBounds& bounds, Callback done) {
  const auto walk = std::make_shared<ChildWalk>(storage, client_id, bounds, std::move(done));
  walk->Take(std::move(first));
  walk->Continue();
}

ChildWalk::ChildWalk(Storage& storage, const Uuid& client_id, const VersionsBounds& bounds,
                     Callback done)
    : storage_(storage), client_id_(client_id), bounds_(bounds), done_(std::move(done)) {}

void ChildWalk::Take(Version version) {
  // A segment in pieces is too large for memory, and so for an answer with others.
  const bool is_whole = version.pieces == nullptr;
  const uint64_t bytes = version.segment_bytes() + bounds_.bytes_beside_segment;
  const bool fits = is_whole && bytes <= bounds_.bytes_max - bytes_;
  if (fits) bytes_ += bytes;
  if (fits || versions_.empty()) versions_.push_back(std::move(version));
  has_ended_ = !fits || versions_.size() >= bounds_.versions_max;
}

void ChildWalk::Continue() {
  using Child = absl::StatusOr<ChildOutcome>;
  // The end of the chain. A failure ends the walk as well: the request for that version reports it.
  const auto take = [](ChildWalk& walk, Child child) {
    auto* const version = child.ok() ? std::get_if<Version>(&*child) : nullptr;
    if (version == nullptr) {
      walk.has_ended_ = true;
    } else {
      walk.Take(std::move(*version));
    }
  };
  while (!has_ended_) {
    std::optional<Child> child = base::ReturnOrCallBack<Child>(
        [self = shared_from_this(), take](Child later) {
          take(*self, std::move(later));
          self->Continue();
        },
        [this](ChildCallback done) {
          storage_.GetChild(client_id_, versions_.back().version_id, std::move(done));
        });
    if (!child) return;
    take(*this, *std::move(child));
  }
  done_(std::move(versions_));
}

}  // namespace tcsync::sync
