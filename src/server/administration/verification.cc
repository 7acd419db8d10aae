#include "server/administration/verification.h"

#include <cstdio>

#include "server/administration/console.h"
#include "server/concat.h"
#include "server/one_line.h"

namespace tcsync::server {
namespace {

constexpr uint64_t kNotesShown = 20;

void AddPage(const Json& page, Verification& verification) {
  verification.clients += page.at("clients").get<uint64_t>();
  verification.versions += page.at("versions").get<uint64_t>();
  verification.bytes += page.at("bytes").get<uint64_t>();
  for (const Json& problem : page.at("problems")) verification.problems.push_back(problem);
  for (const Json& note : page.at("notes")) verification.notes.push_back(note);
}

}  // namespace

Json Verification::json() const {
  return {{"clients", clients},
          {"versions", versions},
          {"bytes", bytes},
          {"problems", problems},
          {"notes", notes},
          {"files_problem", files_problem.empty() ? Json() : Json(files_problem)},
          {"log_losses", log_losses}};
}

void Verification::Print() const {
  // Their number is unbounded: each stranger may cause one.
  uint64_t notes_left_out = 0;
  uint64_t lines = 0;
  for (const Json& note : notes) {
    for (const Json& sentence : note.at("notes")) {
      if (++lines > kNotesShown) {
        ++notes_left_out;
        continue;
      }
      std::printf("note: %s: %s\n", note.at("client_id").get<std::string>().c_str(),
                  OneLine(sentence.get<std::string>()).c_str());
    }
  }
  if (notes_left_out > 0) {
    std::printf("note: and %s more, which --json shows\n", Counted(notes_left_out, "note").c_str());
  }
  for (const Json& problem : problems) {
    for (const Json& sentence : problem.at("problems")) {
      std::printf("%s: %s\n", problem.at("client_id").get<std::string>().c_str(),
                  OneLine(sentence.get<std::string>()).c_str());
    }
  }
  if (!files_problem.empty()) std::printf("files: %s\n", OneLine(files_problem).c_str());
  for (const Json& loss : log_losses) {
    std::printf("note: %s\n", OneLine(DescribeLogLoss(loss)).c_str());
  }
  std::printf("%s, %s, %s: %s\n", Counted(clients, "client").c_str(),
              Counted(versions, "version").c_str(), HumanBytes(bytes).c_str(),
              HasProblems()   ? "there are problems"
              : notes.empty() ? "complete and intact"
                              : "complete and intact; a note is information, not damage");
}

std::string DescribeLogLoss(const Json& loss) {
  return Concat({"a damaged log was accepted on ", HumanTime(loss.at("accepted").get<int64_t>()),
                 ", and up to ", Counted(loss.at("versions_max").get<uint64_t>(), "version"),
                 " lost with it (", loss.at("description").get<std::string>(), "); it is kept in ",
                 loss.at("kept_in").get<std::string>(),
                 ", and 'tcsync-server repair-log --acknowledge' ends this note"});
}

Verification VerifyAll(AdminClient& client) {
  Verification verification;
  {
    const Json stats = client.Get("stats");
    verification.log_losses = stats.at("log_losses");
    const uint64_t total = stats.at("clients").get<uint64_t>();
    ProgressLine progress("verify");
    client.WalkPages("POST", "verify", Json::object(),
                     "not all clients were verified, and nothing was changed",
                     [&](const Json& page) {
                       AddPage(page, verification);
                       progress.Show(verification.clients, total);
                     });
  }
  try {
    client.RunJob("verify/files", Json::object(), "comparison of the files");
  } catch (const JobFailed& failure) {
    verification.files_problem = failure.what();
  }
  return verification;
}

Verification VerifyOne(AdminClient& client, const std::string& name) {
  Verification verification;
  AddPage(client.Post("verify", {{"client_id", name}}), verification);
  return verification;
}

}  // namespace tcsync::server
