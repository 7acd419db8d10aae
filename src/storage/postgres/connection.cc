#include "storage/postgres/connection.h"

#include <poll.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/limits.h"

namespace tcsync::postgres_storage {
namespace {

using Clock = std::chrono::steady_clock;
using Conninfo = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

// poll() for one socket: whether it is ready before the deadline.
bool WaitFor(int descriptor, short events, Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd polled = {.fd = descriptor, .events = events, .revents = 0};
    const int ready = poll(&polled, 1, static_cast<int>(std::min<int64_t>(left.count(), 60'000)));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

bool BeginsWithAny(absl::string_view code, std::initializer_list<absl::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](absl::string_view prefix) { return absl::StartsWith(code, prefix); });
}

// The codes are those of PostgreSQL's manual, appendix A.
absl::Status StatusOf(const PGresult* result) {
  const char* const field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const absl::string_view code = field != nullptr ? field : "";
  // The details, which are left out, may repeat keys, and so client IDs.
  const char* const primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string message =
      absl::StrCat("PostgreSQL: ", primary != nullptr ? primary : "no reason", " (", code, ")");
  if (code == "22012" || BeginsWithAny(code, {"40"})) return absl::AbortedError(message);
  if (code == "23505") return absl::AlreadyExistsError(message);
  if (code == "53100") return absl::ResourceExhaustedError(message);
  // Too many connections, shutting down, starting, a cancelled statement, a server that only reads.
  if (BeginsWithAny(code, {"53", "57", "08", "25006", "55P03"})) {
    return absl::UnavailableError(message);
  }
  if (BeginsWithAny(code, {"XX001", "XX002"})) return absl::DataLossError(message);
  if (BeginsWithAny(code, {"42P01", "42703", "3F000"})) {
    return absl::FailedPreconditionError(
        absl::StrCat(message,
                     ": the database lacks tables of this release; 'tcsync-server storage "
                     "upgrade' makes them"));
  }
  if (BeginsWithAny(code, {"42501", "28", "3D000"})) return absl::PermissionDeniedError(message);
  return absl::InternalError(message);
}

// A pooler between us and the server has given this transaction a connection on which the statement
// was not prepared, or on which another server of ours has prepared it.
bool IsLostPreparation(const PGresult* result) {
  const char* const code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return code != nullptr &&
         (absl::string_view(code) == "26000" || absl::string_view(code) == "42P05");
}

// The name of a prepared statement is also of its text: behind a pooler, another release may have
// prepared another one on the same connection.
std::string NameOf(const Sql& sql) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char* at = sql.text; *at != '\0'; ++at) {
    hash = (hash ^ static_cast<uint8_t>(*at)) * 1099511628211u;
  }
  return absl::StrCat(sql.name, "_", absl::Hex(hash));
}

// A comma-separated list, of which a single entry stands for all.
std::string EntryOf(const std::vector<std::string>& list, size_t index) {
  if (list.empty()) return "";
  return list.size() == 1 ? list[0] : index < list.size() ? list[index] : "";
}

// Whether a part of the URI's password seems to be in its host, port or database, from which
// libpq's messages repeat it: a character of the password would have to be percent-encoded.
bool HasPasswordAstray(absl::string_view url, const std::vector<std::string>& hosts,
                       const std::vector<std::string>& ports) {
  const auto has_at = [](absl::string_view host) { return absl::StrContains(host, '@'); };
  const auto is_no_number = [](absl::string_view port) {
    return !std::all_of(port.begin(), port.end(), absl::ascii_isdigit);
  };
  const size_t scheme = url.find("://");
  const bool is_uri = absl::StartsWith(url, "postgres") && scheme != absl::string_view::npos;
  const absl::string_view before_parameters = url.substr(0, url.find('?'));
  const size_t path = is_uri ? before_parameters.find('/', scheme + 3) : absl::string_view::npos;
  return std::any_of(hosts.begin(), hosts.end(), has_at) ||
         std::any_of(ports.begin(), ports.end(), is_no_number) ||
         (path != absl::string_view::npos && has_at(before_parameters.substr(path)));
}

// One that does not answer leaves time for the others.
Deadline TimeForOne(Deadline deadline) {
  return std::min(deadline, Clock::now() + std::chrono::milliseconds(base::kDatabaseConnectMs));
}

// The first of libpq's sentences about an error.
std::string SentenceOf(absl::string_view libpq_message) {
  const std::vector<std::string> lines =
      absl::StrSplit(libpq_message, '\n', absl::SkipWhitespace());
  return lines.empty() ? "no reason is known" : std::string(absl::StripAsciiWhitespace(lines[0]));
}

}  // namespace

absl::StatusOr<std::shared_ptr<Target>> Target::Parse(const std::string& url) {
  const absl::Status refused = absl::InvalidArgumentError(
      "option postgres-url: it is not a connection string as PostgreSQL's libpq takes it, such as "
      "postgresql://tcsync@db1,db2/tcsync?target_session_attrs=read-write; in a URI, the "
      "characters "
      "@ / : ? # % of a password are written as %40 %2F %3A %3F %23 %25");
  char* problem = nullptr;
  const Conninfo given(PQconninfoParse(url.c_str(), &problem), PQconninfoFree);
  PQfreemem(problem);
  if (given == nullptr) return refused;
  Keywords common;
  std::vector<std::string> hosts;
  std::vector<std::string> addresses;
  std::vector<std::string> ports;
  // With the environment's and the service file's, which must be known to tell the hosts apart.
  const Conninfo defaults(PQconndefaults(), PQconninfoFree);
  const auto value_of = [&](const char* keyword) -> std::string {
    for (const Conninfo* const source : {&given, &defaults}) {
      for (const PQconninfoOption* option = source->get();
           option != nullptr && option->keyword != nullptr; ++option) {
        if (absl::string_view(option->keyword) == keyword && option->val != nullptr) {
          return option->val;
        }
      }
    }
    return "";
  };
  bool has_session_attributes = false;
  bool has_service = false;
  bool has_user_timeout = false;
  for (const PQconninfoOption* option = given.get(); option->keyword != nullptr; ++option) {
    const absl::string_view keyword = option->keyword;
    if (option->val == nullptr || keyword == "host" || keyword == "hostaddr" || keyword == "port") {
      continue;
    }
    has_session_attributes |= keyword == "target_session_attrs";
    has_service |= keyword == "service";
    has_user_timeout |= keyword == "tcp_user_timeout";
    common.names.emplace_back(keyword);
    common.values.emplace_back(option->val);
  }
  const auto split = [](const std::string& list) {
    return list.empty() ? std::vector<std::string>()
                        : static_cast<std::vector<std::string>>(absl::StrSplit(list, ','));
  };
  // A service in the string itself is read by libpq, with its hosts, at each connection.
  if (!has_service) {
    hosts = split(value_of("host"));
    addresses = split(value_of("hostaddr"));
    ports = split(value_of("port"));
    if (HasPasswordAstray(url, hosts, ports)) return refused;
  }
  if (!has_session_attributes) {
    common.names.emplace_back("target_session_attrs");
    common.values.emplace_back("read-write");
  }
  common.names.emplace_back("fallback_application_name");
  common.values.emplace_back("tcsync");
  if (!has_user_timeout) {
    // A connection that was cut off is noticed when something was sent on it.
    common.names.emplace_back("tcp_user_timeout");
    common.values.push_back(absl::StrCat(base::kDatabaseSilenceMs));
  }
  common.names.emplace_back("client_encoding");
  common.values.emplace_back("UTF8");
  auto target = std::make_shared<Target>();
  const size_t count = std::max<size_t>({hosts.size(), addresses.size(), 1});
  for (size_t i = 0; i < count; ++i) {
    Keywords keywords = common;
    const auto add = [&](const char* name, const std::string& value) {
      if (value.empty()) return;
      keywords.names.emplace_back(name);
      keywords.values.push_back(value);
    };
    add("host", EntryOf(hosts, i));
    add("hostaddr", EntryOf(addresses, i));
    add("port", EntryOf(ports, i));
    target->hosts_.push_back(std::move(keywords));
  }
  return target;
}

Connection::Connection(Target& target, PGconn* connection)
    : target_(target), connection_(connection) {}

Connection::~Connection() { PQfinish(connection_); }

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(Target& target, Deadline deadline) {
  std::string problem = "it did not answer in time";
  const size_t first = target.preferred();
  const bool has_others = target.hosts().size() > 1;
  for (size_t i = 0; i < target.hosts().size(); ++i) {
    const size_t host = (first + i) % target.hosts().size();
    const Target::Keywords& keywords = target.hosts()[host];
    std::vector<const char*> names;
    std::vector<const char*> values;
    for (size_t k = 0; k < keywords.names.size(); ++k) {
      names.push_back(keywords.names[k].c_str());
      values.push_back(keywords.values[k].c_str());
    }
    names.push_back(nullptr);
    values.push_back(nullptr);
    const Deadline until = TimeForOne(deadline);
    PGconn* const pg = PQconnectStartParams(names.data(), values.data(), /*expand_dbname=*/0);
    if (pg == nullptr) return absl::ResourceExhaustedError("there is no memory for a connection");
    std::unique_ptr<Connection> connection(new Connection(target, pg));
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (PQstatus(pg) != CONNECTION_BAD && state != PGRES_POLLING_OK) {
      const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
      if (!WaitFor(PQsocket(pg), events, until)) {
        problem = "it did not answer in time";
        break;
      }
      state = PQconnectPoll(pg);
      if (state == PGRES_POLLING_FAILED) break;
    }
    if (PQstatus(pg) == CONNECTION_BAD || state == PGRES_POLLING_FAILED) {
      problem = SentenceOf(PQerrorMessage(pg));
    }
    if (state != PGRES_POLLING_OK) continue;
    PQsetNoticeReceiver(pg, &Connection::TakeNotice, connection.get());
    if (PQsetnonblocking(pg, 1) != 0 || !connection->SetUp(until)) {
      problem = SentenceOf(PQerrorMessage(pg));
      continue;
    }
    if (!connection->Commits(has_others ? TimeForOne(deadline) : deadline)) {
      problem =
          "a commit does not end: its standby does not answer, or another server has taken over";
      continue;
    }
    if (PQenterPipelineMode(pg) != 1) {
      problem = SentenceOf(PQerrorMessage(pg));
      continue;
    }
    target.Prefer(host);
    return connection;
  }
  return absl::UnavailableError(absl::StrCat("the PostgreSQL server cannot be used: ", problem));
}

// Without the first, the server plans some statements anew each time, for the values that they
// have; for the append of a version, that takes longer than all the rest (0.56 ms of 0.8). Without
// the second, a role's own setting could hide the warning that TakeNotice waits for.
bool Connection::SetUp(Deadline deadline) {
  // An error is of a server that has no such setting.
  return Exchange("SET plan_cache_mode = force_generic_plan; SET client_min_messages = warning",
                  deadline);
}

// A primary that was replaced while it was suspended takes writes again when it goes on, until its
// cluster's manager ends it, and its reads are old: a client would be told that its history is
// ahead, or gone. But its commits end no more, because its standby has left it. One of nothing,
// which takes no lock, shows that, and also that whatever is read from now on is on the standby.
bool Connection::Commits(Deadline deadline) {
  was_warned_ = false;
  return Exchange(kCommitNothing.text, deadline) && !was_warned_;
}

bool Connection::Exchange(const char* sql, Deadline deadline) {
  if (PQsendQuery(connection_, sql) != 1 || !Flush(deadline)) return false;
  for (;;) {
    PGresult* result = nullptr;
    if (!Next(deadline, result)) return false;
    if (result == nullptr) return PQstatus(connection_) == CONNECTION_OK;
    PQclear(result);
  }
}

// A commit that could not wait for its standby is reported as a warning, although it may be lost.
void Connection::TakeNotice(void* self, const PGresult* notice) {
  const char* const severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (severity != nullptr && absl::string_view(severity) == "WARNING") {
    static_cast<Connection*>(self)->was_warned_ = true;
  }
}

absl::Status Connection::Lost(const char* doing) {
  is_usable_ = false;
  return absl::UnknownError(absl::StrCat("the connection to PostgreSQL was lost while ", doing));
}

bool Connection::Flush(Deadline deadline) {
  for (;;) {
    const int left = PQflush(connection_);
    if (left == 0) return true;
    if (left < 0) return false;
    if (!WaitFor(PQsocket(connection_), POLLIN | POLLOUT, deadline)) return false;
    if (PQconsumeInput(connection_) != 1) return false;
  }
}

bool Connection::Next(Deadline deadline, PGresult*& result) {
  while (PQisBusy(connection_) != 0) {
    if (!WaitFor(PQsocket(connection_), POLLIN, deadline)) return false;
    if (PQconsumeInput(connection_) != 1) return false;
  }
  result = PQgetResult(connection_);
  return true;
}

absl::Status Connection::Send(absl::Span<const Statement> statements,
                              std::vector<bool>& is_preparing) {
  const bool prepares = target_.prepares();
  std::unordered_set<const Sql*> preparing;
  for (const Statement& statement : statements) {
    const Sql* const sql = &statement.sql();
    const bool is_new = prepares && !prepared_.contains(sql) && preparing.insert(sql).second;
    is_preparing.push_back(is_new);
    std::string& name = names_[sql];
    if (name.empty()) name = NameOf(*sql);
    if ((is_new && !statement.SendPrepare(connection_, name.c_str())) ||
        !statement.Send(connection_, prepares ? name.c_str() : nullptr)) {
      return Lost("a statement was sent");
    }
  }
  return PQpipelineSync(connection_) == 1 ? absl::OkStatus() : Lost("a statement was sent");
}

absl::StatusOr<std::vector<Rows>> Connection::Run(absl::Span<const Statement> statements,
                                                  Deadline deadline) {
  if (!is_usable_) return absl::UnavailableError("there is no connection to PostgreSQL");
  was_warned_ = false;
  std::vector<bool> is_preparing;
  if (absl::Status sent = Send(statements, is_preparing); !sent.ok()) return sent;
  if (!Flush(deadline)) return Lost("a statement was sent");

  std::vector<Rows> rows;
  absl::Status status;
  const auto take_error = [&](const PGresult* result) {
    if (!status.ok()) return;  // the first one is the cause
    if (IsLostPreparation(result)) {
      target_.StopPreparing();
      status = absl::AbortedError("a prepared statement is not there any more");
    } else {
      status = StatusOf(result);
    }
  };
  // For each command the results, one here, and then their end.
  const auto take_command = [&](bool has_rows, const Sql* prepared) -> bool {
    for (;;) {
      PGresult* next = nullptr;
      if (!Next(deadline, next)) return false;
      if (next == nullptr) return true;
      Result result(next, PQclear);
      switch (PQresultStatus(next)) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
          if (prepared != nullptr) prepared_.insert(prepared);
          if (has_rows) rows.emplace_back(result.release());
          break;
        case PGRES_PIPELINE_ABORTED:  // an earlier command of the transaction failed
          break;
        default:
          take_error(next);
          break;
      }
      if (PQstatus(connection_) == CONNECTION_BAD) return false;
    }
  };
  for (size_t i = 0; i < statements.size(); ++i) {
    if (is_preparing[i] && !take_command(/*has_rows=*/false, &statements[i].sql())) {
      return Lost("its answer was awaited");
    }
    if (!take_command(/*has_rows=*/true, nullptr)) return Lost("its answer was awaited");
  }
  PGresult* end = nullptr;
  if (!Next(deadline, end)) return Lost("its answer was awaited");
  const Result sync(end, PQclear);
  if (end == nullptr || PQresultStatus(end) != PGRES_PIPELINE_SYNC) {
    return Lost("its answer was awaited");
  }
  if (status.ok() && was_warned_) {
    is_usable_ = false;
    return absl::UnknownError("PostgreSQL warned that a commit may not be on its standby");
  }
  // A server that shuts down, or that takes no writes any more, is left for another one.
  if (status.code() == absl::StatusCode::kUnavailable) is_usable_ = false;
  if (!status.ok()) return status;
  if (rows.size() != statements.size()) return Lost("its answer was awaited");
  return rows;
}

}  // namespace tcsync::postgres_storage
