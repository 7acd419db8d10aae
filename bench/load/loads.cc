// One class per load, and their common parts: appending to a chain, and the closing checks.
#include "load/loads.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"

namespace tcsync::load {
namespace {

constexpr std::array<absl::string_view, 7> kLoadNames = {
    "add-version",       "add-version-race", "new-clients", "get-child-404",
    "get-child-unknown", "catch-up",         "populate"};

// A connection's segments are numbered from its own start, so that no two are the same.
constexpr int kSegmentNumberBits = 40;

// Chains that each connection reads back at the end: enough to detect a server that loses data, few
// enough for a moment with many clients.
constexpr size_t kChainsChecked = 16;

class AddVersionLoad : public Load {
 public:
  using Load::Load;

  bool NextPreparation(Request* request) override {
    if (!learns() || learned_ == chains().size()) return false;
    *request = GetLatest(chains()[learned_]);
    return true;
  }

  bool NextRequest(Request* request) override {
    preparing_ = false;
    *request = Append(chains()[turn_]);
    return true;
  }

 protected:
  Outcome JudgeLoad(const HttpResponse& response, bool resent) override {
    if (preparing_) {
      const Outcome outcome = JudgeGetLatest(response, &chains()[learned_]);
      if (outcome != Outcome::kRefused) ++learned_;
      return outcome;
    }
    const Outcome outcome = JudgeAppend(response, resent, &chains()[turn_]);
    turn_ = (turn_ + 1) % chains().size();
    return outcome;
  }

  void OnLost() override {
    Chain& chain = chains()[turn_];
    chain.append_lost = true;
    chain.checkable = false;
    turn_ = (turn_ + 1) % chains().size();
  }

 private:
  bool preparing_ = true;
  size_t learned_ = 0;
  size_t turn_ = 0;
};

class AddVersionRaceLoad : public Load {
 public:
  explicit AddVersionRaceLoad(const LoadConfig& config)
      : Load(config), client_id_(config.race_client), parent_(NilUuid()) {
    chains().clear();  // The whole chain is checked after the run, over all connections.
  }

  bool NextRequest(Request* request) override {
    *request = exchange().AddVersion(client_id_, parent_, NextSegmentNumber());
    return true;
  }

 protected:
  Outcome JudgeLoad(const HttpResponse& response, bool) override {
    UuidText version;
    const Outcome outcome = exchange().JudgeAddVersion(response, &version);
    if (outcome == Outcome::kAdded) mutable_links().Add({.parent = parent_, .version = version});
    if (outcome == Outcome::kAdded || outcome == Outcome::kConflict) parent_ = version;
    return outcome;
  }

 private:
  const UuidText client_id_;
  UuidText parent_;  // the latest version, as far as this connection knows
};

// Its chains are a ring of the newest clients, for the closing checks.
class NewClientsLoad : public Load {
 public:
  explicit NewClientsLoad(const LoadConfig& config) : Load(config) {
    chains().resize(kChainsChecked);
  }

  bool NextRequest(Request* request) override {
    Chain& chain = chains()[turn_];
    chain = NewChain(RandomClientId());
    *request = Append(chain);
    return true;
  }

 protected:
  Outcome JudgeLoad(const HttpResponse& response, bool resent) override {
    const Outcome outcome = JudgeAppend(response, resent, &chains()[turn_]);
    turn_ = (turn_ + 1) % chains().size();
    return outcome;
  }

 private:
  size_t turn_ = 0;
};

class GetChild404Load : public Load {
 public:
  using Load::Load;

  bool NextPreparation(Request* request) override {
    if (turn_ == chains().size()) {
      preparing_ = false;
      turn_ = 0;
      return false;
    }
    *request = learns() ? GetLatest(chains()[turn_]) : Append(chains()[turn_]);
    return true;
  }

  bool NextRequest(Request* request) override {
    const Chain& chain = chains()[turn_];
    *request = exchange().GetChildVersion(chain.client_id, chain.latest);
    return true;
  }

 protected:
  Outcome JudgeLoad(const HttpResponse& response, bool resent) override {
    if (preparing_) {
      Chain& chain = chains()[turn_];
      const Outcome outcome =
          learns() ? JudgeGetLatest(response, &chain) : JudgeAppend(response, resent, &chain);
      if (outcome != Outcome::kRefused) ++turn_;
      return outcome;
    }
    UuidText child;
    Outcome outcome = exchange().JudgeGetChildVersion(response, 0, &child);
    if (outcome == Outcome::kSegment) {
      outcome = exchange().Wrong("the latest version has a child");
    }
    turn_ = (turn_ + 1) % chains().size();
    return outcome;
  }

 private:
  bool preparing_ = true;
  size_t turn_ = 0;
};

class GetChildUnknownLoad : public Load {
 public:
  explicit GetChildUnknownLoad(const LoadConfig& config) : Load(config) {
    chains().clear();  // It writes nothing, so there is nothing to check.
  }

  bool NextRequest(Request* request) override {
    *request = exchange().GetChildVersion(RandomClientId(), NilUuid());
    return true;
  }

 protected:
  Outcome JudgeLoad(const HttpResponse& response, bool) override {
    UuidText child;
    const Outcome outcome = exchange().JudgeGetChildVersion(response, 0, &child);
    if (outcome != Outcome::kSegment) return outcome;
    return exchange().Wrong("a client that cannot exist has a version");
  }
};

class CatchUpLoad : public Load {
 public:
  explicit CatchUpLoad(const LoadConfig& config)
      : Load(config), chain_length_(config.chain), written_(chains().size() * config.chain) {}

  // Fills the chains side by side, not one after the other, so that each client's versions are
  // apart in the server's log, like those of real clients.
  bool NextPreparation(Request* request) override {
    if (turn_ == chains().size()) {
      turn_ = 0;
      ++position_;
    }
    if (position_ == chain_length_) {
      preparing_ = false;
      turn_ = 0;
      position_ = 0;
      return false;
    }
    *request = Append(chains()[turn_]);
    return true;
  }

  bool NextRequest(Request* request) override {
    *request = exchange().GetChildVersion(chains()[turn_].client_id, Parent());
    return true;
  }

 protected:
  Outcome JudgeLoad(const HttpResponse& response, bool resent) override {
    if (preparing_) {
      Chain& chain = chains()[turn_];
      const Outcome outcome = JudgeAppend(response, resent, &chain);
      if (outcome != Outcome::kRefused) {
        written_[turn_ * chain_length_ + position_] = {chain.latest, chain.latest_segment};
        ++turn_;
      }
      return outcome;
    }
    const Outcome outcome = JudgeStep(response);
    if (outcome == Outcome::kSegment) {
      ++position_;
    } else if (outcome != Outcome::kRefused) {  // the end, or a fault: on to the next client
      position_ = 0;
      turn_ = (turn_ + 1) % chains().size();
    }
    return outcome;
  }

 private:
  struct Version {
    UuidText id;
    uint64_t segment_number = 0;
  };

  const Version& At(size_t position) const { return written_[turn_ * chain_length_ + position]; }
  UuidText Parent() const { return position_ == 0 ? NilUuid() : At(position_ - 1).id; }

  Outcome JudgeStep(const HttpResponse& response) {
    UuidText child;
    if (position_ == chain_length_) {
      const Outcome outcome = exchange().JudgeGetChildVersion(response, 0, &child);
      if (outcome != Outcome::kSegment) return outcome;
      return exchange().Wrong("a version after the end of the chain");
    }
    const Version& expected = At(position_);
    const Outcome outcome =
        exchange().JudgeGetChildVersion(response, expected.segment_number, &child);
    if (outcome == Outcome::kUpToDate) {
      return exchange().Wrong(
          absl::StrCat("404 after ", position_, " of ", chain_length_, " versions"));
    }
    if (outcome == Outcome::kSegment && !(child == expected.id)) {
      return exchange().Wrong(
          absl::StrCat("version ", child.view(), " instead of ", expected.id.view()));
    }
    return outcome;
  }

  const size_t chain_length_;
  std::vector<Version> written_;  // each client's chain, one after the other
  bool preparing_ = true;
  size_t turn_ = 0;
  size_t position_ = 0;
};

// Writes its share of the population, a client at a time, so that it remembers one chain instead of
// a million. Its chains are a ring of the latest clients, for the closing checks.
class PopulateLoad : public Load {
 public:
  explicit PopulateLoad(const LoadConfig& config)
      : Load(config),
        population_(config.population),
        chain_length_(config.chain),
        connections_(config.connections),
        client_(config.connection) {
    chains().resize(kChainsChecked);
    BeginClient();
  }

  bool NextRequest(Request* request) override {
    if (client_ >= population_.clients) return false;
    *request = Append(chains()[turn_]);
    return true;
  }

 protected:
  Outcome JudgeLoad(const HttpResponse& response, bool resent) override {
    // The versions of an earlier run stay.
    UuidText latest;
    if (position_ == 0 && exchange().JudgeAddVersion(response, &latest) == Outcome::kConflict) {
      NextClient();
      return Outcome::kConflict;
    }
    const Outcome outcome = JudgeAppend(response, resent, &chains()[turn_]);
    if (outcome == Outcome::kRefused) return outcome;
    if (++position_ == chain_length_) NextClient();
    return outcome;
  }

 private:
  void NextClient() {
    position_ = 0;
    client_ += connections_;
    turn_ = (turn_ + 1) % chains().size();
    BeginClient();
  }
  void BeginClient() { chains()[turn_] = NewChain(population_.ClientId(client_)); }

  const Population population_;
  const size_t chain_length_;
  const size_t connections_;
  uint64_t client_;  // its number in the population
  size_t turn_ = 0;
  size_t position_ = 0;
};

}  // namespace

std::vector<std::string> LoadNames() { return {kLoadNames.begin(), kLoadNames.end()}; }

absl::string_view LoadName(LoadKind kind) { return kLoadNames[static_cast<size_t>(kind)]; }

std::optional<LoadKind> LoadKindFromName(absl::string_view name) {
  for (size_t i = 0; i < kLoadNames.size(); ++i) {
    if (kLoadNames[i] == name) return static_cast<LoadKind>(i);
  }
  return std::nullopt;
}

bool HasOwnClients(LoadKind kind) { return kind == LoadKind::kCatchUp || CanUsePopulation(kind); }

bool CanUsePopulation(LoadKind kind) {
  return kind == LoadKind::kAddVersion || kind == LoadKind::kGetChild404;
}

Load::Load(const LoadConfig& config)
    : exchange_(*config.target, *config.segments),
      random_(config.seed),
      learns_(config.population.clients > 0 && CanUsePopulation(config.kind)),
      next_segment_(static_cast<uint64_t>(config.connection) << kSegmentNumberBits) {
  // The connections take turns: this one has the clients `connection`, + connections, and so on.
  for (uint64_t i = config.connection; i < config.clients; i += config.connections) {
    chains_.push_back(
        NewChain(learns_ ? config.population.ClientId(config.population.Spread(i, config.clients))
                         : RandomClientId()));
  }
}

Load::Chain Load::NewChain(const UuidText& client_id) {
  return Chain{.client_id = client_id, .previous = NilUuid(), .latest = NilUuid()};
}

Request Load::GetLatest(const Chain& chain) {
  // A parent that no version has: a client with versions refuses it, and names its latest.
  return exchange_.AddVersion(chain.client_id, RandomUuid(random_), NextSegmentNumber());
}

Outcome Load::JudgeGetLatest(const HttpResponse& response, Chain* chain) {
  UuidText latest;
  const Outcome outcome = exchange_.JudgeAddVersion(response, &latest);
  if (outcome == Outcome::kAdded) {
    return exchange_.Wrong(
        "the client had no versions: populate the server first, with the same --population, "
        "--population-seed");
  }
  if (outcome == Outcome::kConflict) chain->latest = latest;
  return outcome;
}

bool Load::NextPreparation(Request*) { return false; }

Request Load::Append(const Chain& chain) {
  appended_segment_ = NextSegmentNumber();
  return exchange_.AddVersion(chain.client_id, chain.latest, appended_segment_);
}

Outcome Load::JudgeAppend(const HttpResponse& response, bool resent, Chain* chain) {
  UuidText version;
  Outcome outcome = exchange_.JudgeAddVersion(response, &version);
  // Nobody else knows this client. But a request that was sent twice may have been executed the
  // first time; then the latest version is that one, and the second was rightly refused. The same
  // is true of a lost one; then the latest version has a segment that is not this request's.
  const bool after_lost = chain->append_lost;
  if (outcome == Outcome::kAdded || outcome == Outcome::kConflict) chain->append_lost = false;
  if (outcome == Outcome::kConflict && after_lost) {
    chain->latest = version;
    return outcome;
  }
  if (outcome == Outcome::kConflict && !resent) {
    outcome = exchange_.Wrong(
        absl::StrCat("409, latest ", version.view(), ", though nobody else writes to this client"));
  }
  if (outcome == Outcome::kAdded || outcome == Outcome::kConflict) {
    chain->previous = chain->latest;
    chain->latest = version;
    chain->latest_segment = appended_segment_;
    chain->checkable = true;
  } else if (outcome == Outcome::kWrong && response.status == 409 &&
             ParseUuid(response.parent_version_id, &version)) {
    chain->latest = version;  // One fault, not one per request from here on.
    chain->checkable = false;
  }
  return outcome;
}

bool Load::NextClosingCheck(Request* request) {
  const size_t chains_to_check = std::min(chains_.size(), kChainsChecked);
  if (check_ == Check::kNone) check_ = Check::kLatestVersion;
  while (checked_chain_ < chains_to_check && !chains_[checked_chain_].checkable) ++checked_chain_;
  if (checked_chain_ >= chains_to_check) return false;
  const Chain& chain = chains_[checked_chain_];
  *request = exchange_.GetChildVersion(
      chain.client_id, check_ == Check::kLatestVersion ? chain.previous : chain.latest);
  return true;
}

Outcome Load::JudgeClosingCheck(const HttpResponse& response) {
  const Chain& chain = chains_[checked_chain_];
  UuidText child;
  Outcome outcome = exchange_.JudgeGetChildVersion(response, chain.latest_segment, &child);
  if (outcome == Outcome::kRefused) return outcome;
  if (check_ == Check::kLatestVersion) {
    if (outcome == Outcome::kUpToDate) {
      outcome = exchange_.Wrong("a version that was added is not there");
    } else if (outcome == Outcome::kSegment && !(child == chain.latest)) {
      outcome = exchange_.Wrong(
          absl::StrCat("version ", child.view(), " instead of ", chain.latest.view()));
    }
    check_ = Check::kNothingAfterIt;
  } else {
    if (outcome == Outcome::kSegment) {
      outcome = exchange_.Wrong("the latest version has a child");
    }
    check_ = Check::kLatestVersion;
    ++checked_chain_;
  }
  return outcome;
}

Outcome Load::Judge(const HttpResponse& response, bool resent) {
  return check_ == Check::kNone ? JudgeLoad(response, resent) : JudgeClosingCheck(response);
}

std::unique_ptr<Load> MakeLoad(const LoadConfig& config) {
  switch (config.kind) {
    case LoadKind::kAddVersion:
      return std::make_unique<AddVersionLoad>(config);
    case LoadKind::kAddVersionRace:
      return std::make_unique<AddVersionRaceLoad>(config);
    case LoadKind::kNewClients:
      return std::make_unique<NewClientsLoad>(config);
    case LoadKind::kGetChild404:
      return std::make_unique<GetChild404Load>(config);
    case LoadKind::kGetChildUnknown:
      return std::make_unique<GetChildUnknownLoad>(config);
    case LoadKind::kCatchUp:
      return std::make_unique<CatchUpLoad>(config);
    case LoadKind::kPopulate:
      return std::make_unique<PopulateLoad>(config);
  }
  return nullptr;
}

}  // namespace tcsync::load
