#include "base/reload_hooks.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace tcsync::base {

ReloadHooks::Registration::Registration(Registration&& other) noexcept
    : hooks_(std::exchange(other.hooks_, nullptr)), position_(other.position_) {}

ReloadHooks::Registration& ReloadHooks::Registration::operator=(Registration&& other) noexcept {
  // The previous registration moves to `other`, and ends with it.
  std::swap(hooks_, other.hooks_);
  std::swap(position_, other.position_);
  return *this;
}

ReloadHooks::Registration::~Registration() {
  if (hooks_ == nullptr) return;
  const std::lock_guard lock(hooks_->mutex_);
  hooks_->hooks_.erase(position_);
}

ReloadHooks::Registration ReloadHooks::Register(Hook hook) {
  const std::lock_guard lock(mutex_);
  return Registration(this, hooks_.insert(hooks_.end(), std::move(hook)));
}

absl::Status ReloadHooks::Run() {
  const std::lock_guard lock(mutex_);
  absl::Status all;
  for (const Hook& hook : hooks_) {
    const absl::Status status = hook();
    if (status.ok()) continue;
    all = all.ok() ? status
                   : absl::Status(all.code(), absl::StrCat(all.message(), "; ", status.message()));
  }
  return all;
}

}  // namespace tcsync::base
