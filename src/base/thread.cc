#include "base/thread.h"

#include <pthread.h>

#if defined(__APPLE__)
#include <mach/mach.h>
#else
#include <time.h>
#endif

#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/signal_block.h"

namespace tcsync::base {
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
  // The new thread inherits the mask of its creator.
  const SignalBlock block;
  try {
    return std::thread([name, body = std::move(body)] {
      NameThisThread(name);
      body();
    });
  } catch (const std::system_error& error) {
    throw std::system_error(
        error.code(),
        absl::StrCat("the thread ", name,
                     " cannot be started: the limits of this process leave no room for another one "
                     "and its stack (ulimit -u, -v and -d, or LimitNPROC, LimitAS and LimitDATA of "
                     "systemd, or the container's pids.max): raise them, or make stacks smaller "
                     "(ulimit -s 1024)"));
  }
}

}  // namespace tcsync::base
