// The object of a tcsync_engine, and the part that its other handles share.
#ifndef TCSYNC_CAPI_SRC_ENGINE_H_
#define TCSYNC_CAPI_SRC_ENGINE_H_

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/process_mark.h"
#include "capi/src/handle.h"
#include "capi/src/log_target.h"
#include "capi/src/work_thread.h"
#include "tcsync.h"
#include "tcsync/engine.h"
#include "tcsync/options.h"

namespace tcsync::capi {

class Pending;

// The engine while it is open. Pending requests and streamed responses keep this object, and not
// the engine in it: after the engine was freed their calls fail, without any other effect.
// Thread-safe.
class EngineCore {
 public:
  // Keeps the engine alive during its own life. False: the engine was freed.
  class Use {
   public:
    explicit Use(EngineCore& core);
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use();

    explicit operator bool() const { return core_ != nullptr; }

   private:
    EngineCore* core_;
  };

  explicit EngineCore(std::unique_ptr<Engine> opened);
  EngineCore(const EngineCore&) = delete;
  EngineCore& operator=(const EngineCore&) = delete;
  // Close()
  ~EngineCore();

  Engine& engine() { return *engine_; }

  // The process that opened it, which alone has its threads.
  const base::ProcessMark& opener() const { return opener_; }

  // For the host's callbacks.
  WorkThread& callbacks() { return callbacks_; }
  // For bodies that continue when storage has taken a piece.
  WorkThread& bodies() { return bodies_; }

  // Abandoned when the engine is freed.
  void Add(const std::shared_ptr<Pending>& pending);
  void Remove(const Pending& pending) noexcept;

  // Waits for uses, abandons pending requests, closes the engine, and makes the last callbacks.
  void Close() noexcept;

 private:
  const base::ProcessMark opener_ = base::ProcessMark::Current();
  std::unique_ptr<Engine> engine_;
  WorkThread callbacks_;
  WorkThread bodies_;
  std::mutex mutex_;  // of the members below
  std::condition_variable unused_;
  int uses_ = 0;
  bool is_closed_ = false;
  std::map<const Pending*, std::weak_ptr<Pending>> pending_;
};

// The message of a call on such a handle after the engine was freed.
inline constexpr char kEngineWasFreed[] = "the engine that this came from was freed";

}  // namespace tcsync::capi

struct tcsync_engine : tcsync::capi::Handle<tcsync::capi::HandleType::kEngine> {
  const std::vector<tcsync::EffectiveOption> options;
  // The log is destroyed last: the others write to it until their end.
  tcsync::capi::LogUse log;
  std::shared_ptr<tcsync::capi::EngineCore> core;
  ~tcsync_engine() { core->Close(); }
};

namespace tcsync::capi {

// Whether this process can use the engine.
Result CheckEngine(const tcsync_engine* engine);

}  // namespace tcsync::capi

#endif  // TCSYNC_CAPI_SRC_ENGINE_H_
