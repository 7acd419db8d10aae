// Threads of the engine's own.
#ifndef TCSYNC_SRC_BASE_THREAD_H_
#define TCSYNC_SRC_BASE_THREAD_H_

#include <functional>
#include <optional>
#include <thread>

namespace tcsync::base {

// Starts a thread that runs `body`. It blocks the signals that SignalBlock does, and is called
// `name` (at most 15 characters) in debuggers and `top -H`. Throws std::system_error, which says
// what to do, when the system has no room for it: whoever has started others must then end them.
std::thread StartThread(const char* name, std::function<void()> body);

// The CPU time that a running thread has used, in seconds; nullopt where the system does not say.
std::optional<double> CpuSecondsOf(std::thread& thread);

}  // namespace tcsync::base

#endif  // TCSYNC_SRC_BASE_THREAD_H_
