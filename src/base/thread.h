// Threads of the engine's own.
#ifndef TCSYNC_SRC_BASE_THREAD_H_
#define TCSYNC_SRC_BASE_THREAD_H_

#include <functional>
#include <optional>
#include <thread>

namespace tcsync::base {

// Starts a thread that runs `body`. It blocks the same signals as SignalBlock, and is named `name`
// (at most 15 characters) in debuggers and `top -H`. Throws std::system_error, with the remedy,
// when the system has no room for it; the caller must then end the threads started before.
std::thread StartThread(const char* name, std::function<void()> body);

// The CPU time of a running thread, in seconds; nullopt where the system does not report it.
std::optional<double> CpuSecondsOf(std::thread& thread);

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_THREAD_H_
