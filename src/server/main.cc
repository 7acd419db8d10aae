// tcsync-server: serves TaskChampion sync to the network. A command line over the C ABI, nothing
// else: every program that links libtcsync can do the same.
#include <cstdio>
#include <exception>
#include <string>

#include "server/administration/command_table.h"
#include "server/administration/console.h"
#include "server/command_line.h"
#include "server/credentials.h"
#include "server/help.h"
#include "server/one_line.h"
#include "server/options_page.h"
#include "server/owned_handles.h"
#include "server/process.h"
#include "server/serve.h"
#include "tcsync.h"

namespace {

using tcsync::server::Command;
using tcsync::server::CommandLine;

void Run(const CommandLine& command_line) {
  switch (command_line.command) {
    case Command::kServe:
      tcsync::server::Serve(command_line);
      break;
    case Command::kCredentials:
      tcsync::server::PrintCredentials(command_line);
      break;
    case Command::kAdminister:
      tcsync::server::RunAdminCommand(command_line);
      break;
    case Command::kOptionsPage:
      std::fputs(tcsync::server::OptionsPage().c_str(), stdout);
      break;
    case Command::kHelp:
      std::fputs(tcsync::server::HelpText().c_str(), stdout);
      break;
    case Command::kVersion:
      std::printf("tcsync-server %s\n", tcsync_version());
      break;
  }
  tcsync::server::FlushOutput();
}

int Fail(int exit_status, const std::exception& failure) {
  std::fprintf(stderr, "tcsync-server: %s\n", tcsync::server::OneLine(failure.what()).c_str());
  return exit_status;
}

}  // namespace

int main(int argc, char** argv) {
  tcsync::server::FillStandardDescriptors();
  tcsync::server::IgnoreFileSizeSignal();
  try {
    Run(tcsync::server::ParseCommandLine(argc, argv));
    return 0;
  } catch (const tcsync::server::Failure& failure) {
    return Fail(failure.exit_status(), failure);
  } catch (const std::exception& exception) {
    return Fail(tcsync::server::kExitFailure, exception);
  }
}
