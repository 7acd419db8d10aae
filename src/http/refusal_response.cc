#include "http/refusal_response.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/log_fields.h"

namespace tcsync::http {
namespace {

using access::Refusal;

// As printable characters in one line: what a stranger sent cannot begin a line of its own or
// colour a terminal.
std::string OneLine(absl::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c == '\\') {
      line += "\\\\";
    } else if (absl::ascii_isprint(static_cast<unsigned char>(c))) {
      line += c;
    } else {
      absl::StrAppend(&line, "\\x", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    }
  }
  return line;
}

}  // namespace

RefusalResponder::RefusalResponder(Logger logger, std::shared_ptr<const access::ClientNames> names,
                                   RefusalObserver observer)
    : logger_(std::move(logger)), names_(std::move(names)), observer_(std::move(observer)) {
  for (size_t i = 0; i < access::kRefusalReasonCount; ++i) {
    const auto reason = static_cast<access::RefusalReason>(i);
    throttles_.push_back(std::make_unique<LogThrottle>(access::LogLinesAtOnce(reason)));
  }
}

Response RefusalResponder::Refuse(const Subject& subject, const Refusal& refusal) {
  if (observer_ != nullptr) observer_(refusal.reason);
  Log(subject, refusal);
  Response response = TextResponse(
      access::StatusOf(refusal.reason),
      subject.client_id
          ? absl::StrCat(refusal.sentence, " (client ID ", subject.client_id->ToString(), ")")
          : refusal.sentence);
  if (refusal.retry_after_seconds > 0) {
    response.headers.push_back({"Retry-After", absl::StrCat(refusal.retry_after_seconds)});
  }
  return response;
}

void RefusalResponder::Log(const Subject& subject, const Refusal& refusal) {
  const LogLevel level = access::LogLevelOf(refusal.reason);
  if (!logger_.Passes(level)) return;
  const std::optional<uint64_t> held_back = throttles_[static_cast<size_t>(refusal.reason)]->Pass();
  if (!held_back) return;
  std::string sentence = refusal.sentence;
  if (!refusal.operator_note.empty()) absl::StrAppend(&sentence, " ", refusal.operator_note);
  if (*held_back > 0) {
    absl::StrAppend(&sentence, " And ", *held_back, " more like this since the last such line.");
  }
  logger_.Log(level, base::WithLogFields(
                         {{"status", absl::StrCat(access::StatusOf(refusal.reason))},
                          {"reason", access::NameOf(refusal.reason)},
                          {"endpoint", subject.endpoint ? NameOf(*subject.endpoint) : ""},
                          {"client", subject.client_id ? names_->NameOf(*subject.client_id) : ""},
                          {"source", refusal.source}},
                         OneLine(sentence)));
}

}  // namespace tcsync::http
