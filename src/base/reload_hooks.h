// Actions for the operator's request to reload files (SIGHUP, or the administration's `reload`).
// Components that read files register them here.
#ifndef TCSYNC_SRC_BASE_RELOAD_HOOKS_H_
#define TCSYNC_SRC_BASE_RELOAD_HOOKS_H_

#include <functional>
#include <list>
#include <mutex>

#include "absl/status/status.h"

namespace tcsync::base {

// Thread-safe. Must outlive its registrations.
class ReloadHooks {
 public:
  // Reloads files. After a failure nothing has changed, and the message has the reason. It may take
  // as long as reading files takes, and must not call the ReloadHooks.
  using Hook = std::function<absl::Status()>;

  // Ends the registration when it is destroyed, after a running call of the hook. Move-only.
  class Registration {
   public:
    Registration() = default;
    Registration(Registration&& other) noexcept;
    Registration& operator=(Registration&& other) noexcept;
    ~Registration();

   private:
    friend class ReloadHooks;
    Registration(ReloadHooks* hooks, std::list<Hook>::iterator position)
        : hooks_(hooks), position_(position) {}

    ReloadHooks* hooks_ = nullptr;
    std::list<Hook>::iterator position_;
  };

  ReloadHooks() = default;
  ReloadHooks(const ReloadHooks&) = delete;
  ReloadHooks& operator=(const ReloadHooks&) = delete;

  [[nodiscard]] Registration Register(Hook hook);

  // Runs all hooks, one after the other; a failure does not keep the others from running. The error
  // has the code of the first failure, and the messages of all of them.
  absl::Status Run();

 private:
  std::mutex mutex_;
  std::list<Hook> hooks_;
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_RELOAD_HOOKS_H_
