// The loads: the requests of each connection, their order, and the required answers.
//
// A run has three parts. In the preparation a load writes the data that it needs; then it is
// measured; at the end the closing checks read back a part of the written data, to detect a server
// that answers 200 and keeps nothing.
//
//   load              measured requests                                     expected answers
//   add-version       append to the connection's own clients' chains        200
//   add-version-race  all connections append to one client's chain          200, 409
//   new-clients       the first version of a client that nobody has seen    200
//   get-child-404     the child of the latest version                       404
//   get-child-unknown the first version of a client that nobody has seen    404
//   catch-up          walk a chain from the nil version to its end, again   200 ..., 404 at its end
//   populate          write a population (population.h), and that is all    200, 409 if it is there
//
// add-version and get-child-404 can have clients of a population instead of new ones. Their
// preparation then only asks for each one's latest version.
#ifndef TCSYNC_BENCH_LOAD_LOADS_H_
#define TCSYNC_BENCH_LOAD_LOADS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "load/exchange.h"
#include "load/http_connection.h"
#include "load/population.h"
#include "load/race_check.h"
#include "load/results.h"
#include "load/segments.h"
#include "load/target.h"
#include "load/uuid_text.h"

namespace tcsync::load {

enum class LoadKind {
  kAddVersion,
  kAddVersionRace,
  kNewClients,
  kGetChild404,
  kGetChildUnknown,
  kCatchUp,
  kPopulate,
};

// Every name, in the order of LoadKind.
std::vector<std::string> LoadNames();
absl::string_view LoadName(LoadKind kind);
std::optional<LoadKind> LoadKindFromName(absl::string_view name);

// Whether a connection has clients of its own, whose number can be chosen.
bool HasOwnClients(LoadKind kind);

// Whether those clients can be some of a population.
bool CanUsePopulation(LoadKind kind);

// The parameters of one connection's load. "Connection" is a place for one request at a time, even
// where each request has a connection of its own.
struct LoadConfig {
  LoadKind kind = LoadKind::kAddVersion;
  const Target* target = nullptr;      // borrowed
  const Segments* segments = nullptr;  // borrowed
  size_t connection = 0;               // counted from 0; decides the segments' numbers
  size_t connections = 1;              // of the whole run
  size_t clients = 1;                  // of all connections; each has its share, at least 1
  size_t chain = 200;                  // versions per client, for catch-up and populate
  Population population;               // for populate, and for loads over it; else empty
  UuidText race_client;                // the same for all connections
  uint64_t seed = 0;                   // for this connection's client IDs
};

// One connection's side of a load. Each Next… makes the next request. Judge, given the answer,
// moves on, or after a refusal stays, so that the next request is the same again. Allocates nothing
// per request, except in the race, by the block. Thread-compatible.
class Load {
 public:
  explicit Load(const LoadConfig& config);
  virtual ~Load() = default;

  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // False when there is nothing (more) to prepare, to do or to check. Only populate ends by itself.
  virtual bool NextPreparation(Request* request);
  virtual bool NextRequest(Request* request) = 0;
  bool NextClosingCheck(Request* request);

  // Judges the answer to the last request that was made. `resent`: see HttpConnection.
  Outcome Judge(const HttpResponse& response, bool resent);

  // The last request has no answer and will get none. It may have been executed.
  virtual void OnLost() {}

  // The fault, after kWrong.
  const std::string& fault() const { return exchange_.fault(); }

  // The race's 200s; empty for all other loads.
  const LinkLog& links() const { return links_; }

 protected:
  // A client whose chain this connection alone appends to.
  struct Chain {
    UuidText client_id;
    UuidText previous;            // the latest version's parent
    UuidText latest;              // nil when there are no versions
    uint64_t latest_segment = 0;  // the number of the latest version's segment
    bool checkable = false;       // there is a latest version, and we added it
    bool append_lost = false;     // the latest version must be learned from a conflict
  };

  virtual Outcome JudgeLoad(const HttpResponse& response, bool resent) = 0;

  Exchange& exchange() { return exchange_; }
  std::vector<Chain>& chains() { return chains_; }
  LinkLog& mutable_links() { return links_; }

  static Chain NewChain(const UuidText& client_id);

  // A number that no other segment of the run has.
  uint64_t NextSegmentNumber() { return next_segment_++; }
  UuidText RandomClientId() { return RandomUuid(random_); }

  // Whether the chains belong to a population, and so have versions that must be asked for.
  bool learns() const { return learns_; }
  // Asks for the latest version of `chain`, and stores the answer. A chain that the server does not
  // have is a fault: it was not populated.
  Request GetLatest(const Chain& chain);
  Outcome JudgeGetLatest(const HttpResponse& response, Chain* chain);

  // Appends one version to `chain`, with a new segment.
  Request Append(const Chain& chain);
  Outcome JudgeAppend(const HttpResponse& response, bool resent, Chain* chain);

 private:
  enum class Check { kNone, kLatestVersion, kNothingAfterIt };

  Outcome JudgeClosingCheck(const HttpResponse& response);

  Exchange exchange_;
  std::mt19937_64 random_;
  const bool learns_;
  std::vector<Chain> chains_;
  LinkLog links_;
  uint64_t next_segment_;
  uint64_t appended_segment_ = 0;
  Check check_ = Check::kNone;
  size_t checked_chain_ = 0;
};

std::unique_ptr<Load> MakeLoad(const LoadConfig& config);

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_LOADS_H_
