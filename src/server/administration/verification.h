// Verifies a whole data directory, for the commands that do.
#ifndef TCSYNC_SRC_SERVER_ADMINISTRATION_VERIFICATION_H_
#define TCSYNC_SRC_SERVER_ADMINISTRATION_VERIFICATION_H_

#include <cstdint>
#include <string>

#include "server/administration/admin_client.h"

namespace tcsync::server {

struct Verification {
  uint64_t clients = 0;
  uint64_t versions = 0;
  uint64_t bytes = 0;
  Json problems = Json::array();    // damage, as the API gives it
  Json notes = Json::array();       // information, as the API gives it
  std::string files_problem;        // the fault of the files; empty: none, or not checked
  Json log_losses = Json::array();  // accepted by an operator; information, and no problem

  bool HasProblems() const { return !problems.empty() || !files_problem.empty(); }
  Json json() const;
  void Print() const;
};

// A sentence about damage of a log that an operator accepted.
std::string DescribeLogLoss(const Json& loss);

// Verifies every client, and then the files. Throws Failure if it is impossible.
Verification VerifyAll(AdminClient& client);
Verification VerifyOne(AdminClient& client, const std::string& name);

}  // namespace tcsync::server

#endif  // TCSYNC_SRC_SERVER_ADMINISTRATION_VERIFICATION_H_
