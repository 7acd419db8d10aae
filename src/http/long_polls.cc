#include "http/long_polls.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/limits.h"
#include "http/list_field.h"

namespace tcsync::http {

namespace {

absl::Duration ParseWait(absl::string_view value) {
  if (value.empty() || !absl::c_all_of(value, absl::ascii_isdigit)) return absl::ZeroDuration();
  int64_t seconds = 0;
  // A larger number is a number as well.
  return absl::SimpleAtoi(value, &seconds) ? absl::Seconds(seconds) : absl::InfiniteDuration();
}

}  // namespace

Preferences PreferencesOf(const RequestHead& head) {
  std::optional<absl::Duration> wait;
  std::optional<bool> wants_minimum;
  // Of equal names the first counts.
  ForEachListItem(head, "Prefer", [&](absl::string_view preference) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(preference, absl::MaxSplits('=', 1));
    const absl::string_view name = absl::StripAsciiWhitespace(parts.first);
    absl::string_view value = absl::StripAsciiWhitespace(parts.second);
    // Any value may be a quoted string.
    if (value.size() >= 2 && absl::ConsumePrefix(&value, "\"")) absl::ConsumeSuffix(&value, "\"");
    if (absl::EqualsIgnoreCase(name, "wait") && !wait) wait = ParseWait(value);
    if (absl::EqualsIgnoreCase(name, "return") && !wants_minimum) {
      wants_minimum = absl::EqualsIgnoreCase(value, "minimal");
    }
  });
  return {.wait = wait.value_or(absl::ZeroDuration()),
          .wants_minimum = wants_minimum.value_or(false)};
}

void LongPolls::CallBack(const std::vector<PollPointer>& ended) {
  for (const PollPointer& poll : ended) std::exchange(poll->on_end_, nullptr)();
}

LongPolls::PollPointer LongPolls::Remove(Poll& poll) {
  const auto client = by_client_.find(poll.client_id_);
  if (client == by_client_.end()) return nullptr;
  std::vector<PollPointer>& polls = client->second;
  const auto found = std::find_if(polls.begin(), polls.end(),
                                  [&poll](const PollPointer& one) { return one.get() == &poll; });
  if (found == polls.end()) return nullptr;
  PollPointer removed = std::move(*found);
  polls.erase(found);
  if (polls.empty()) by_client_.erase(client);
  by_deadline_.erase({poll.deadline_, &poll});
  --count_;
  poll.has_ended_.store(true, std::memory_order_release);
  return removed;
}

std::shared_ptr<LongPolls::Poll> LongPolls::Begin(const Uuid& client_id, const Uuid& version_id,
                                                  absl::Duration wait, EndCallback on_end) {
  auto poll =
      std::make_shared<Poll>(*this, client_id, version_id, clock_.Now() + wait, std::move(on_end));
  std::vector<PollPointer> ended;
  {
    const std::lock_guard lock(mutex_);
    if (is_closed_) {
      poll->has_ended_.store(true, std::memory_order_release);
      ended.push_back(poll);
    } else {
      std::vector<PollPointer>& polls = by_client_[client_id];
      const bool is_full = polls.size() >= base::kLongPollsPerClientMax;
      polls.push_back(poll);
      by_deadline_.emplace(poll->deadline_, poll.get());
      ++count_;
      if (is_full) ended.push_back(Remove(*polls.front()));
    }
  }
  CallBack(ended);
  return poll;
}

void LongPolls::End(Poll& poll) {
  std::vector<PollPointer> ended;
  {
    const std::lock_guard lock(mutex_);
    if (PollPointer removed = Remove(poll)) ended.push_back(std::move(removed));
  }
  CallBack(ended);
}

void LongPolls::EndOf(const Uuid& client_id) {
  // Nearly always there are none, and this is called after each write.
  if (count() == 0) return;
  std::vector<PollPointer> ended;
  {
    const std::lock_guard lock(mutex_);
    const auto client = by_client_.find(client_id);
    if (client == by_client_.end()) return;
    const std::vector<PollPointer> polls = client->second;
    for (const PollPointer& poll : polls) ended.push_back(Remove(*poll));
  }
  CallBack(ended);
}

void LongPolls::EndBehind(const Uuid& client_id, const Uuid& latest_version_id) {
  std::vector<PollPointer> ended;
  {
    const std::lock_guard lock(mutex_);
    const auto client = by_client_.find(client_id);
    if (client == by_client_.end()) return;
    const std::vector<PollPointer> polls = client->second;
    for (const PollPointer& poll : polls) {
      if (poll->version_id_ != latest_version_id) ended.push_back(Remove(*poll));
    }
  }
  CallBack(ended);
}

std::vector<Uuid> LongPolls::clients() const {
  const std::lock_guard lock(mutex_);
  std::vector<Uuid> clients;
  clients.reserve(by_client_.size());
  for (const auto& [client_id, polls] : by_client_) clients.push_back(client_id);
  return clients;
}

void LongPolls::EndExpired() {
  if (count() == 0) return;
  std::vector<PollPointer> ended;
  {
    const std::lock_guard lock(mutex_);
    const absl::Time now = clock_.Now();
    while (!by_deadline_.empty() && by_deadline_.begin()->first <= now) {
      ended.push_back(Remove(*by_deadline_.begin()->second));
    }
  }
  CallBack(ended);
}

void LongPolls::Close() {
  std::vector<PollPointer> ended;
  {
    const std::lock_guard lock(mutex_);
    is_closed_ = true;
    while (!by_deadline_.empty()) ended.push_back(Remove(*by_deadline_.begin()->second));
  }
  CallBack(ended);
}

}  // namespace tcsync::http
