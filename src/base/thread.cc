#include "base/thread.h"

#include <pthread.h>
#include <signal.h>

#if defined(__APPLE__)
#include <mach/mach.h>
#else
#include <time.h>
#endif

#include <utility>

namespace tcsync {
namespace {

void NameThisThread(const char* name) {
#if defined(__APPLE__)
  pthread_setname_np(name);
#elif defined(__linux__)
  pthread_setname_np(pthread_self(), name);
#else
  static_cast<void>(name);
#endif
}

// Blocks every signal on this thread for as long as it lives, also when a thread cannot be started.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous_);
  }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &previous_, nullptr); }

 private:
  sigset_t previous_;
};

}  // namespace

std::optional<double> CpuSecondsOf(std::thread& thread) {
#if defined(__APPLE__)
  thread_basic_info_data_t info{};
  mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
  if (thread_info(pthread_mach_thread_np(thread.native_handle()), THREAD_BASIC_INFO,
                  reinterpret_cast<thread_info_t>(&info), &count) != KERN_SUCCESS) {
    return std::nullopt;
  }
  return info.user_time.seconds + info.system_time.seconds +
         (info.user_time.microseconds + info.system_time.microseconds) / 1e6;
#else
  clockid_t clock{};
  timespec time{};
  if (pthread_getcpuclockid(thread.native_handle(), &clock) != 0 ||
      clock_gettime(clock, &time) != 0) {
    return std::nullopt;
  }
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
#endif
}

std::thread StartThread(const char* name, std::function<void()> body) {
  // The new thread inherits the mask of the one that creates it.
  const SignalBlock block;
  return std::thread([name, body = std::move(body)] {
    NameThisThread(name);
    body();
  });
}

}  // namespace tcsync
