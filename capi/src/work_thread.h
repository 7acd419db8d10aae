// A thread of the library's own for work that must not run on the threads that clients' requests
// share: the host's callbacks, which may take any time.
#ifndef TCSYNC_CAPI_SRC_WORK_THREAD_H_
#define TCSYNC_CAPI_SRC_WORK_THREAD_H_

#include <memory>
#include <mutex>

namespace tcsync::capi {

// Runs tasks one after the other. Thread-safe.
class WorkThread {
 public:
  // Allocated in advance, so that posting it cannot fail.
  class Task {
   public:
    virtual ~Task() = default;
    virtual void Run() noexcept = 0;

   private:
    friend class WorkThread;
    std::shared_ptr<Task> next_;
  };

  explicit WorkThread(const char* name);
  WorkThread(const WorkThread&) = delete;
  WorkThread& operator=(const WorkThread&) = delete;
  // Finish()
  ~WorkThread();

  // Starts the thread if it does not run yet. Throws std::system_error.
  void Start();

  // After Start. A task after Finish is dropped.
  void Post(std::shared_ptr<Task> task) noexcept;

  // Runs the posted tasks and ends the thread; waits for that, but not on the thread itself.
  void Finish() noexcept;

 private:
  struct Shared;

  const char* const name_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_WORK_THREAD_H_
