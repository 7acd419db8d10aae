// Periodic work of an engine, on a thread of its own.
#ifndef TCSYNC_SRC_ENGINE_HOUSEKEEPING_H_
#define TCSYNC_SRC_ENGINE_HOUSEKEEPING_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace tcsync::engine {

// Thread-safe. Chores run one after the other; one that takes long delays the others.
class Housekeeping {
 public:
  struct Chore {
    std::chrono::milliseconds interval;  // from the end of one run to the beginning of the next
    std::chrono::milliseconds first_after;
    // Does one piece of the work, and returns whether there is more, which is then done next. So a
    // stop never waits for more than a piece.
    std::function<bool()> run_piece;
  };

  explicit Housekeeping(std::vector<Chore> chores);
  // Waits for the present piece.
  ~Housekeeping();
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;

 private:
  using Instant = std::chrono::steady_clock::time_point;
  struct Due {
    Chore chore;
    Instant next;
  };

  void Run();

  std::vector<Due> chores_;  // used by the thread alone
  std::mutex mutex_;         // of the members below
  std::condition_variable stops_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace tcsync::engine

#endif  // TCSYNC_SRC_ENGINE_HOUSEKEEPING_H_
