#include "replica/transform.h"

namespace tcsync::replica {
namespace {

constexpr Transformed kBoth{true, true};
constexpr Transformed kNeither{false, false};
constexpr Transformed kReceived{true, false};
constexpr Transformed kLocal{false, true};

Transformed TransformUpdates(const Operation& received, const Operation& local) {
  if (received.property != local.property) return kBoth;
  if (received.value == local.value) return kNeither;
  return received.time < local.time ? kLocal : kReceived;
}

}  // namespace

Transformed Transform(const Operation& received, const Operation& local) {
  using Kind = Operation::Kind;
  if (received.task_id != local.task_id) return kBoth;
  if (received.kind == local.kind) {
    return received.kind == Kind::kUpdate ? TransformUpdates(received, local) : kNeither;
  }
  // A deletion wins over an update, and both show that the task existed, so a creation, which
  // cannot have been valid on both replicas, loses against an update and wins over a deletion.
  if (received.kind == Kind::kCreate) return local.kind == Kind::kDelete ? kReceived : kLocal;
  if (received.kind == Kind::kUpdate) return local.kind == Kind::kCreate ? kReceived : kLocal;
  return local.kind == Kind::kUpdate ? kReceived : kLocal;
}

}  // namespace tcsync::replica
