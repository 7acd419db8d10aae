// The engine: storage, protocol and HTTP handling for any number of clients, put together from
// Options. This is where a C++ program that embeds tcsync begins; see examples/embed.cc.
#ifndef TCSYNC_ENGINE_H_
#define TCSYNC_ENGINE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "tcsync/handler.h"
#include "tcsync/log.h"
#include "tcsync/options.h"
#include "tcsync/storage.h"

namespace tcsync {

// Thread-safe. Destroying it waits for the requests that were begun and closes the storage; no
// handler call may be running, and every Listener that serves it must have been stopped. Programs
// derive no engines of their own: a Listener also needs the internal parts of one.
class Engine {
 public:
  class Implementation;

  // Opens the storage that `options` name, creating it when it does not exist.
  // Errors: kInvalidArgument for options that contradict each other; kAlreadyExists for a data
  // directory that is in use; kFailedPrecondition for one that is not tcsync's or has a newer
  // format; kPermissionDenied, kNotFound, kResourceExhausted or kUnknown for one that cannot be
  // created, read or written; kDataLoss for one whose records are damaged. The message names it.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(const Options& options, LogFunction log = {});

  // The same over the caller's own storage.
  static absl::StatusOr<std::unique_ptr<Engine>> OpenWithStorage(const Options& options,
                                                                 std::unique_ptr<Storage> storage,
                                                                 LogFunction log = {});

  virtual ~Engine() = default;

  // Answers requests; borrowed, lives as long as the engine.
  virtual http::Handler& handler() = 0;

  // Answers administration requests (docs/administration.md) of callers who may do everything with
  // the data; borrowed, lives as long as the engine.
  virtual http::Handler& administration() = 0;

  // Answers /metrics, /health and /health/live, which are for operators and not for clients;
  // borrowed, lives as long as the engine.
  virtual http::Handler& metrics() = 0;

 private:
  Engine() = default;
};

// The handler of those administration requests that need no open data directory: the list of the
// backups in a directory, and restoring one to the data directory of `options`. Others are answered
// with 409.
std::unique_ptr<http::Handler> OfflineAdministration(const Options& options, LogFunction log = {});

}  // namespace tcsync

#endif  // TCSYNC_ENGINE_H_
