#include "server/serve.h"

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "server/administer.h"
#include "server/concat.h"
#include "server/configuration.h"
#include "server/environment_check.h"
#include "server/owned_handles.h"
#include "server/process.h"
#include "server/server_log.h"

namespace tcsync::server {
namespace {

std::string StorageDescription(const Settings& flags) {
  if (EffectiveText(flags, "storage") == "memory") return "data in memory only, lost at the end";
  if (EffectiveText(flags, "storage") == "postgres") return "data in PostgreSQL";
  const std::string data_dir = EffectiveText(flags, "data-dir");
  std::error_code no_working_directory;
  const std::filesystem::path absolute = std::filesystem::absolute(data_dir, no_working_directory);
  return Concat({"data directory ", no_working_directory ? data_dir : absolute.string()});
}

// The work of SIGHUP. A file that cannot be read again is reported in the log, and changes nothing.
void ReadFilesAgain(tcsync_engine* engine, ServerLog& log) {
  log.Info("SIGHUP: reading files again");
  try {
    Administer(nullptr, engine, "POST", "/v1/admin/reload");
  } catch (const Failure& failure) {
    log.Info(Concat({"files were not read again: ", failure.what()}));
  }
}

}  // namespace

void Serve(const CommandLine& command_line) {
  const Settings& flags = command_line.settings;
  TuneAllocator();
  LimitThreadStacks();
  RaiseOpenFilesLimit();
  const std::vector<std::string> unknown_variables = CheckVariables();
  const Config config = MakeConfig(flags);
  ServerLog log(EffectiveText(flags, "log-level"), EffectiveText(flags, "log-format"));
  log.LeaveEngineLevel();
  Call(tcsync_config_set_log, config.get(), &ServerLog::Receive, static_cast<void*>(&log));
  Signals signals;

  // The addresses first: without them the data directory must stay untouched. But the engine must
  // outlive the listener on every way out of this function.
  Engine engine;
  tcsync_listener* raw_listener = nullptr;
  Call(tcsync_listener_bind, config.get(), &raw_listener);
  const Listener listener(raw_listener);
  tcsync_engine* raw_engine = nullptr;
  Call(tcsync_engine_open, config.get(), &raw_engine);
  engine.reset(raw_engine);
  // Before the addresses, which the library logs on a thread of its own.
  log.Info(Concat({"tcsync-server ", tcsync_version(), ", ", StorageDescription(flags)}));
  Call(tcsync_listener_serve, listener.get(), engine.get());

  for (const std::string& variable : unknown_variables) log.Warn(UnknownVariableText(variable));

  Signals::Signal received = signals.Wait();
  while (!received.stops) {
    ReadFilesAgain(engine.get(), log);
    received = signals.Wait();
  }
  log.Info(Concat({"stopping: ", received.name, "; requests in flight have ",
                   EffectiveText(flags, "shutdown-timeout"), " ms"}));
  tcsync_listener_stop(listener.get());
  engine.reset();
  log.Info("stopped");
}

}  // namespace tcsync::server
