// The sync protocol as one connection of the load program speaks it: builds the two requests, and
// judges each answer by the protocol. The loads (loads.h) choose the requests, and the expected
// ones among the allowed answers.
#ifndef TCSYNC_BENCH_LOAD_EXCHANGE_H_
#define TCSYNC_BENCH_LOAD_EXCHANGE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "load/http_connection.h"
#include "load/http_response.h"
#include "load/results.h"
#include "load/segments.h"
#include "load/target.h"
#include "load/uuid_text.h"

namespace tcsync::load {

// Request heads are written once; each request only overwrites its IDs in them. So a Request is
// valid until the next one is made. Thread-compatible.
class Exchange {
 public:
  // Both arguments must outlive this.
  Exchange(const Target& target, const Segments& segments);

  Request AddVersion(const UuidText& client_id, const UuidText& parent, uint64_t segment_number);
  Request GetChildVersion(const UuidText& client_id, const UuidText& parent);

  // The answer to the last AddVersion: kAdded with the new version in `version`, kConflict with the
  // latest version in `version`, kRefused, or kWrong.
  Outcome JudgeAddVersion(const HttpResponse& response, UuidText* version);

  // The answer to the last GetChildVersion: kSegment with the child in `version`, when it is the
  // segment `segment_number`; kUpToDate, kRefused, or kWrong.
  Outcome JudgeGetChildVersion(const HttpResponse& response, uint64_t segment_number,
                               UuidText* version);

  // Makes a fault of an answer that the protocol allows but the load does not: returns kWrong.
  Outcome Wrong(absl::string_view fault);

  // The fault, with the request, after kWrong.
  const std::string& fault() const { return fault_; }

 private:
  // A request head in which two IDs are overwritten.
  struct Head {
    std::string text;
    size_t parent_offset;
    size_t client_id_offset;

    void SetIds(const UuidText& parent, const UuidText& client_id);
  };

  static Head MakeHead(const Target& target, absl::string_view method, absl::string_view endpoint,
                       absl::string_view more_headers);

  // The rules for every answer; false, with the fault, when they are broken.
  bool CheckCommon(const HttpResponse& response);
  static bool IsRefusal(const HttpResponse& response);
  Outcome WrongStatus(const HttpResponse& response);

  const Segments& segments_;
  Head add_version_;
  Head get_child_version_;
  Segments::Stamp stamp_{};

  // The last request.
  absl::string_view endpoint_;
  UuidText client_id_;
  UuidText parent_;

  std::string fault_;
};

}  // namespace tcsync::load

#endif  // TCSYNC_BENCH_LOAD_EXCHANGE_H_
