// What is to be done when the operator asks for files to be read again (SIGHUP, or the
// administration's `reload`): those who read files register how.
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
  // Reads files again. A failure leaves everything as it was, and its message says what was wrong.
  // It may take as long as reading files takes, and must not call the ReloadHooks.
  using Hook = std::function<absl::Status()>;

  // Ends the registration when it is destroyed, which waits for the hook if that runs. Move-only.
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

  // Runs all hooks, one after the other; one that fails does not keep the others from running. The
  // error has the code of the first failure, and the messages of all of them.
  absl::Status Run();

 private:
  std::mutex mutex_;
  std::list<Hook> hooks_;
};

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_RELOAD_HOOKS_H_
